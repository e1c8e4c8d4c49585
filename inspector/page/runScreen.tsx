import { useMemo } from 'preact/hooks';
import type { JSX } from 'preact';

import type { PlanStep } from '../../lib/model/plan';
import { lifeSeconds } from '../../lib/model/state';
import { addressPart, clockText, icons, numberText, shortRunId, spanText } from './format';
import { GraphView } from './graphView';
import { Details } from './details';
import { act, view } from './machine';
import { DiffPanel, MomentBar } from './momentBar';
import { StepRows } from './rows';
import type { OpenRun } from './pageState';
import { clock, connection, mayWrite, openRun } from './pageState';
import { t } from './texts';

/** One run: how its steps depend, how they stand and when they ran, and what is known of the selected one. */
export function RunScreen(): JSX.Element {
  const run = openRun.value;
  if (run === undefined) return <main class="run-screen" />;
  void run.fold.version.value;
  if (run.isGone.value) return <Trouble text={t('runGone')} next="" />;
  const { error } = run;
  if (error.value !== undefined && run.fold.size === 0)
    return <Trouble text={error.value.record.message} next={error.value.record.next} />;
  return <LoadedRun run={run} />;
}

function LoadedRun({ run }: { readonly run: OpenRun }): JSX.Element {
  const { fold } = run;
  const { plan } = fold.state;
  const declared = useMemo(() => new Map<string, PlanStep>(plan.map((step) => [step.path, step])), [plan]);
  return (
    <main class="run-screen">
      <RunHead run={run} />
      {plan.length === 0 ? null : <GraphView plan={plan} fold={fold} />}
      <StepRows plan={declared} />
      <Details run={run} plan={declared} />
      <DiffPanel run={run} />
      <MomentBar run={run} />
    </main>
  );
}

function Trouble({ text, next }: { readonly text: string; readonly next: string }): JSX.Element {
  return (
    <main class="trouble">
      <p class="bad" role="alert">
        ✖ {text}
      </p>
      {next === '' ? null : <p>{next}</p>}
      <a href="#/">{t('runs')}</a>
    </main>
  );
}

function RunHead({ run }: { readonly run: OpenRun }): JSX.Element {
  const { fold, place } = run;
  const { state } = fold;
  const { COMPLETED, SKIPPED, FAILED, RUNNING, SUSPENDED, PENDING } = fold.root.below;
  const [from, latest] = fold.range();
  const isNow = view.value.at === undefined;
  const until =
    isNow && state.status === 'RUNNING' ? Math.max(clock.value, latest) : (fold.event(fold.at)?.at ?? latest);
  const seconds = isNow ? lifeSeconds(state) : undefined;
  const { life, filter, hidesDone, cutsIdle } = view.value;
  const url = connection().exportUrl(place);
  return (
    <header class="run-head">
      <a href={`#/${encodeURIComponent(view.value.store)}`} class="back" title="Esc">
        ‹ {t('runs')}
      </a>
      <h1 title={state.name}>{state.name}</h1>
      <code title={place.runId}>{shortRunId(place.runId)}</code>
      <span class={`badge ${state.status}`}>
        {icons[state.status]} {t(state.status)}
      </span>
      <span class="num" title={`${clockText(from, true)} → ${clockText(until, true)}`}>
        {spanText(seconds === undefined ? Math.max(0, until - from) : seconds * 1_000)}
      </span>
      {fold.lifeStarts.length > 1 ? (
        <select
          aria-label={t('life')}
          value={String(life)}
          onChange={({ currentTarget }) => {
            act({ type: 'show', change: { life: Number(currentTarget.value), zoom: undefined } });
          }}
        >
          <option value="0">{t('allLives', { n: fold.lifeStarts.length })}</option>
          {fold.lifeStarts.map((begins, index) => (
            <option key={begins} value={index + 1}>
              {t('lifeN', { n: index + 1 })}
            </option>
          ))}
        </select>
      ) : null}
      <span class="tally">
        <Tally of="COMPLETED" count={COMPLETED + SKIPPED} />
        <Tally of="RUNNING" count={RUNNING} />
        <Tally of="FAILED" count={FAILED} />
        <Tally of="SUSPENDED" count={SUSPENDED} />
        <Tally of="PENDING" count={PENDING} />
      </span>
      <span class="gap" />
      <input
        type="search"
        placeholder={t('filterSteps')}
        aria-label={t('filterSteps')}
        value={filter}
        onInput={({ currentTarget }) => {
          act({ type: 'show', change: { filter: currentTarget.value } });
        }}
      />
      <Toggle
        isOn={hidesDone}
        text={t('hideDone')}
        hint="h"
        act={() => act({ type: 'show', change: { hidesDone: !hidesDone } })}
      />
      <Toggle
        isOn={cutsIdle}
        text={t('cutIdle')}
        hint="i"
        act={() => act({ type: 'show', change: { cutsIdle: !cutsIdle, zoom: undefined } })}
      />
      <RunActions run={run} />
      {url === undefined ? null : (
        <a class="button" href={url} download>
          {t('exportHtml')}
        </a>
      )}
    </header>
  );
}

function RunActions({ run: { place, fold, reply } }: { readonly run: OpenRun }): JSX.Element {
  const { status } = fold.head;
  const waiting = reply.value?.waiting[0];
  const isMoving = status === 'RUNNING' || status === 'SUSPENDED';
  return (
    <>
      <a
        class="button"
        href={`#/${encodeURIComponent(place.store)}/${addressPart(place.runId)}/logs`}
        title="g l"
      >
        {t('logs')}
      </a>
      <button
        onClick={() => {
          act({ type: 'go', to: { screen: 'compare', store: place.store, runId: place.runId } });
        }}
      >
        {t('compare')}
      </button>
      {mayWrite.value && waiting !== undefined ? (
        <button
          class="main"
          onClick={() => act({ type: 'dialog', dialog: { kind: 'answer', path: waiting.path } })}
        >
          ❚❚ {t('answer')}
        </button>
      ) : null}
      {mayWrite.value && isMoving ? (
        <button onClick={() => act({ type: 'dialog', dialog: { kind: 'cancel' } })}>{t('cancelRun')}</button>
      ) : null}
      {mayWrite.value && !isMoving ? (
        <button
          class="main"
          onClick={() =>
            act({
              type: 'dialog',
              dialog: { kind: 'rerun', path: status === 'FAILED' ? undefined : fold.head.plan[0]?.path },
            })
          }
        >
          {t('rerun')}
        </button>
      ) : null}
    </>
  );
}

function Toggle({
  isOn,
  text,
  hint,
  act: go,
}: {
  readonly isOn: boolean;
  readonly text: string;
  readonly hint: string;
  readonly act: () => void;
}): JSX.Element {
  return (
    <button aria-pressed={isOn} title={hint} onClick={go}>
      {text}
    </button>
  );
}

function Tally({
  of,
  count,
}: {
  readonly of: keyof typeof icons;
  readonly count: number;
}): JSX.Element | null {
  if (count === 0) return null;
  return (
    <span class={`state ${of}`} title={t(of)}>
      {icons[of]} {numberText(count)}
    </span>
  );
}
