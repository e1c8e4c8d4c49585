import { useEffect, useRef, useState } from 'preact/hooks';
import type { JSX } from 'preact';

import type { DamagedRun } from '../../adapters/http/contract';
import type { RunStatus } from '../../lib/model/state';
import type { RunSummary } from '../../lib/store/store';
import { addressPart, agoText, clockText, icons, now, numberText, shortRunId, spanText } from './format';
import { act, view } from './machine';
import {
  clock,
  storeCommand,
  goToRun,
  list,
  listError,
  runList,
  selectedRun,
  storeName,
  stores,
} from './pageState';
import { t } from './texts';

const ROW = 30;
const statuses: readonly RunStatus[] = ['COMPLETED', 'FAILED', 'RUNNING', 'SUSPENDED', 'CANCELLED'];

/** All runs of a store, the newest first. */
export function RunsScreen(): JSX.Element {
  const known = runList.value;
  const info = stores.value?.stores.find(({ name }) => name === storeName());
  return (
    <main class="runs-screen">
      <Filters />
      {info?.error === undefined ? null : (
        <p class="bad banner" role="alert">
          ✖ {info.error.message}; {info.error.next}
        </p>
      )}
      {listError.value === undefined ? null : (
        <p class="bad banner" role="alert">
          ✖ {listError.value.message}
        </p>
      )}
      {known === undefined ? null : <Damaged runs={known.damaged} />}
      <RunRows />
      <Served isServed={info?.isServed} queued={info?.queued ?? 0} />
    </main>
  );
}

function Filters(): JSX.Element {
  const { filter, status, hours } = view.value;
  const counts = runList.value?.counts;
  return (
    <div class="filters">
      <div class="counts" role="group" aria-label={t('status')}>
        {statuses.map((each) => (
          <button
            key={each}
            class={`count ${each}`}
            aria-pressed={status === each}
            title={t(each)}
            aria-label={`${t(each)} ${numberText(counts?.[each] ?? 0)}`}
            onClick={() => {
              act({ type: 'show', change: { status: status === each ? '' : each } });
            }}
          >
            <span class={`state ${each}`}>{icons[each]}</span> <span class="word">{t(each)}</span>{' '}
            <b>{numberText(counts?.[each] ?? 0)}</b>
          </button>
        ))}
      </div>
      <input
        type="search"
        placeholder={t('filterRuns')}
        aria-label={t('filterRuns')}
        value={filter}
        onInput={({ currentTarget }) => {
          act({ type: 'show', change: { filter: currentTarget.value } });
        }}
      />
      <select
        aria-label={t('since')}
        value={String(hours)}
        onChange={({ currentTarget }) => {
          act({ type: 'show', change: { hours: Number(currentTarget.value) } });
        }}
      >
        {[0, 1, 24, 168].map((each) => (
          <option key={each} value={each}>
            {each === 0 ? t('allTime') : t('lastHours', { time: spanText(each * 3_600_000) })}
          </option>
        ))}
      </select>
    </div>
  );
}

function Damaged({ runs }: { readonly runs: readonly DamagedRun[] }): JSX.Element | null {
  if (runs.length === 0) return null;
  return (
    <ul class="damaged">
      {runs.slice(0, 20).map(({ runId, name, error }) => (
        <li key={runId} role="alert">
          <b>⚠ {shortRunId(runId)}</b> {name} {t('cannotBeRead')}: {error.message}{' '}
          <code>{storeCommand('doctor')}</code>
        </li>
      ))}
    </ul>
  );
}

function RunRows(): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [scroll, setScroll] = useState(0);
  const [height, setHeight] = useState(600);
  const known = runList.value;
  const runs = known?.runs ?? [];
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(() => {
      setHeight(element.clientHeight);
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
    };
  }, []);
  const top = Math.min(scroll, Math.max(0, runs.length * ROW - height));
  const first = Math.max(0, Math.floor(top / ROW) - 2);
  const last = Math.min(runs.length, Math.ceil((top + height) / ROW) + 2);
  const isAtEnd = last >= runs.length && known?.next !== undefined;
  useEffect(() => {
    if (isAtEnd && scroll > 0) void list(true);
  }, [isAtEnd, scroll > 0]);
  return (
    <div class="table" role="table" aria-label={t('runs')} aria-rowcount={known?.total ?? 0}>
      <div class="row headline" role="row">
        {['run', 'name', 'started', 'took', 'steps', 'whatHappened'].map((column) => (
          <span key={column} role="columnheader">
            {t(column as 'run')}
          </span>
        ))}
      </div>
      <div
        class="runs"
        ref={box}
        tabIndex={0}
        onScroll={({ currentTarget }) => {
          setScroll(currentTarget.scrollTop);
        }}
      >
        <div class="space" role="rowgroup" style={{ height: `${runs.length * ROW}px` }}>
          {runs.slice(first, last).map((run, index) => (
            <RunRow
              key={run.runId}
              run={run}
              top={(first + index) * ROW}
              isSelected={first + index === selectedRun.value}
            />
          ))}
        </div>
        {known !== undefined && runs.length === 0 ? (
          <p class="empty">{t(isFiltered() ? 'noSteps' : 'noRuns')}</p>
        ) : null}
      </div>
    </div>
  );
}

function isFiltered(): boolean {
  const { filter, status, hours } = view.value;
  return filter !== '' || status !== '' || hours !== 0;
}

function RunRow({
  run,
  top,
  isSelected,
}: {
  readonly run: RunSummary;
  readonly top: number;
  readonly isSelected: boolean;
}): JSX.Element {
  const { runId, name, status, startedAt, endedAt, steps } = run;
  const at = Math.max(clock.value, now());
  const isRecent = Math.abs(at - startedAt) < 3_600_000;
  return (
    <div
      class={`row${isSelected ? ' selected' : ''}`}
      style={{ top: `${top}px` }}
      role="row"
      aria-selected={isSelected}
      onClick={() => {
        goToRun(storeName(), runId);
      }}
    >
      <span role="cell" class="id" title={runId}>
        <span class={`state ${status}`} title={t(status)}>
          {icons[status]}
        </span>{' '}
        <a href={`#/${encodeURIComponent(storeName())}/${addressPart(runId)}`} tabIndex={-1}>
          {shortRunId(runId)}
        </a>
      </span>
      <span role="cell" class="name" title={name}>
        {name}
      </span>
      <span role="cell">
        <time title={isRecent ? clockText(startedAt, true) : agoText(startedAt)}>
          {isRecent ? agoText(startedAt) : clockText(startedAt)}
        </time>
      </span>
      <span role="cell" class="num">
        {endedAt === undefined && status !== 'RUNNING'
          ? ''
          : spanText(Math.max(0, (endedAt ?? at) - startedAt))}
      </span>
      <span role="cell" class="num steps-cell">
        {steps === undefined ? '' : <StepsBar steps={steps} />}
      </span>
      <span role="cell" class="what">
        <WhatHappened run={run} />
      </span>
    </div>
  );
}

function StepsBar({
  steps: { done, failed, total },
}: {
  readonly steps: NonNullable<RunSummary['steps']>;
}): JSX.Element {
  const part = (count: number): string => `${total === 0 ? 0 : (count / total) * 100}%`;
  return (
    <>
      <span>{done === total ? numberText(total) : `${numberText(done)}/${numberText(total)}`}</span>
      <span class="meter" aria-hidden="true">
        <i class="done" style={{ width: part(done) }} />
        <i class="failed" style={{ width: part(failed) }} />
      </span>
    </>
  );
}

/** The one thing about a run that somebody who looks for it wants to know. */
function WhatHappened({ run }: { readonly run: RunSummary }): JSX.Element {
  const { status, failedStep, error, waiting, forkedFrom, reason, life, tags } = run;
  const notes: JSX.Element[] = [];
  if (status === 'FAILED')
    notes.push(
      <span class="FAILED">
        {failedStep === undefined ? null : <b>{failedStep}: </b>}
        {error ?? ''}
      </span>,
    );
  if (status === 'SUSPENDED' && waiting.length > 0)
    notes.push(
      <span class="SUSPENDED">
        {t('waitsForAnswer', { paths: waiting.map(({ path }) => path).join(', ') })}
      </span>,
    );
  if (status === 'RUNNING' && waiting.length > 0)
    notes.push(<span>{t('waitsForAnswer', { paths: waiting[0]?.path ?? '' })}</span>);
  if (reason !== undefined && status !== 'COMPLETED') notes.push(<span>{reason}</span>);
  if (forkedFrom !== undefined)
    notes.push(
      <span class="muted">
        ⑂ {t('forkOf')} {shortRunId(forkedFrom.runId)} {t('fromStep', { path: forkedFrom.path })}
      </span>,
    );
  if (life > 1) notes.push(<span class="muted">{t('lifeN', { n: life })}</span>);
  for (const [key, value] of Object.entries(tags ?? {}))
    notes.push(<span class="tag">{`${key}:${value}`}</span>);
  return (
    <>
      {notes.map((note, index) => (
        <span key={index}>{note} </span>
      ))}
    </>
  );
}

function Served({
  isServed,
  queued,
}: {
  readonly isServed: boolean | undefined;
  readonly queued: number;
}): JSX.Element | null {
  const total = runList.value?.total;
  if (total === undefined) return null;
  return (
    <footer class="served muted">
      {t('runsCount', { n: numberText(total) })}
      {isServed === undefined ? null : ` · ${isServed ? t('isServed') : t('notServed')}`}
      {queued > 0 ? ` · ${t('queued', { n: numberText(queued) })}` : ''}
      {stores.value?.alerts.map(({ ruleName, workflowName, since }) => (
        <a class="bad" href={`#/${encodeURIComponent(storeName())}//metrics`}>
          {' '}
          ⚠ {workflowName} {ruleName} {t('firingSince', { time: clockText(since) })}
        </a>
      ))}
    </footer>
  );
}
