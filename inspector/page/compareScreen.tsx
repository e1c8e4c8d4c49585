import { useMemo, useState } from 'preact/hooks';
import type { JSX } from 'preact';

import type { StepChange, ValueChange } from '../../lib/history/stateDiff';
import { stateDiff } from '../../lib/history/stateDiff';
import type { StepResult } from '../../lib/model/stepResult';
import { addressPart, briefly, clockText, icons, numberText, shortRunId, spanText } from './format';
import { act, view } from './machine';
import type { OpenRun } from './pageState';
import { goToRun, openRun, otherRun, runList, list } from './pageState';
import { t } from './texts';

const MOST_ROWS = 500;
/** Fields that differ between any two runs and say nothing. */
const unlike: ReadonlySet<unknown> = new Set(['timestamp', 'seq', 'duration', 'inputHash', 'asking']);
const unlikeRun: ReadonlySet<unknown> = new Set([
  'runId',
  'incarnation',
  'startedAt',
  'endedAt',
  'duration',
  'seq',
  'forkedFrom',
  'worked',
  'resumedAt',
]);

/** Two runs side by side. */
export function CompareScreen(): JSX.Element {
  const one = openRun.value;
  const other = otherRun.value;
  if (one === undefined) return <main />;
  return (
    <main class="compare-screen">
      <header class="run-head">
        <a
          href={`#/${encodeURIComponent(one.place.store)}/${addressPart(one.place.runId)}`}
          class="back"
          title="Esc"
        >
          ‹ {t('run')}
        </a>
        <h1>{t('compare')}</h1>
        <code>{shortRunId(one.place.runId)}</code>
        <OtherPicker one={one} />
      </header>
      {other === undefined ? <p class="empty">{t('otherRun')}</p> : <Comparison one={one} other={other} />}
    </main>
  );
}

function OtherPicker({ one }: { readonly one: OpenRun }): JSX.Element {
  const { other } = view.value;
  const known = runList.value;
  if (known === undefined) void list();
  const runs = (known?.runs ?? []).filter(
    ({ runId, name }) => runId !== one.place.runId && name === one.fold.head.name,
  );
  return (
    <select
      aria-label={t('otherRun')}
      value={other?.runId ?? ''}
      onChange={({ currentTarget }) => {
        act({ type: 'show', change: { other: { store: one.place.store, runId: currentTarget.value } } });
      }}
    >
      <option value="" disabled>
        {t('otherRun')}
      </option>
      {other !== undefined && runs.every(({ runId }) => runId !== other.runId) ? (
        <option value={other.runId}>{shortRunId(other.runId)}</option>
      ) : null}
      {runs.map(({ runId, status, startedAt }) => (
        <option key={runId} value={runId}>
          {icons[status]} {shortRunId(runId)} {clockText(startedAt)}
        </option>
      ))}
    </select>
  );
}

function Comparison({ one, other }: { readonly one: OpenRun; readonly other: OpenRun }): JSX.Element {
  const [isWhole, setWhole] = useState(false);
  void one.fold.version.value;
  void other.fold.version.value;
  const [a, b] = [one.fold.head, other.fold.head];
  const diff = useMemo(() => stateDiff(a, b), [a, b]);
  if (!one.fold.isCaughtUp.value || !other.fold.isCaughtUp.value) return <p class="empty">…</p>;
  const changed = new Map(diff.steps.map((change) => [change.path, change]));
  const paths = isWhole
    ? [...new Set([...[...a.steps].map(({ stepId }) => stepId), ...[...b.steps].map(({ stepId }) => stepId)])]
    : diff.steps.filter(isTelling).map(({ path }) => path);
  const first = diff.steps.find(isTelling)?.path;
  const ofRun = diff.run.filter(({ at }) => !unlikeRun.has(at[0]));
  return (
    <>
      <div class="run-diff">
        {(['input', 'plan', 'output', 'error'] as const).map((field) => (
          <RunField key={field} field={field} changes={ofRun.filter(({ at }) => at[0] === field)} />
        ))}
        <label>
          <input type="checkbox" checked={!isWhole} onChange={() => setWhole(!isWhole)} />{' '}
          {t('onlyDifferences')}
        </label>
      </div>
      <table class="grid" aria-label={t('compare')}>
        <thead>
          <tr>
            <th scope="col">{t('step')}</th>
            {[one, other].map(({ place, fold }) => (
              <th scope="col" key={place.runId}>
                <button class="link" onClick={() => goToRun(place.store, place.runId)}>
                  {shortRunId(place.runId)}
                </button>{' '}
                <span class={`state ${fold.head.status}`}>
                  {icons[fold.head.status]} {t(fold.head.status)}
                </span>{' '}
                {spanText(fold.range()[1] - fold.range()[0])}
              </th>
            ))}
            <th scope="col">{t('difference')}</th>
          </tr>
        </thead>
        <tbody>
          {paths.slice(0, MOST_ROWS).map((path) => (
            <StepPair
              key={path}
              path={path}
              left={a.steps.get(path)}
              right={b.steps.get(path)}
              change={changed.get(path)}
              isFirst={path === first}
            />
          ))}
        </tbody>
      </table>
      {paths.length > MOST_ROWS ? (
        <p class="muted">{t('andMore', { n: numberText(paths.length - MOST_ROWS) })}</p>
      ) : null}
      {paths.length === 0 ? <p class="empty">{t('noDifference')}</p> : null}
    </>
  );
}

/** Whether more differs than when and how long. */
function isTelling({ kind, changes }: StepChange): boolean {
  return kind !== 'changed' || changes.some(({ at }) => !unlike.has(at[0]));
}

function RunField({
  field,
  changes,
}: {
  readonly field: 'input' | 'plan' | 'output' | 'error';
  readonly changes: readonly ValueChange[];
}): JSX.Element {
  const name = field === 'plan' ? t('definition') : t(field);
  return (
    <span class={changes.length === 0 ? 'muted' : ''}>
      <b>{name}</b> {changes.length === 0 ? '=' : '~'} <ChangeText changes={changes} />
    </span>
  );
}

function ChangeText({ changes }: { readonly changes: readonly ValueChange[] }): JSX.Element {
  return (
    <>
      {changes.slice(0, 3).map(({ at, before, after }) => (
        <span key={at.join('.')} class="one-change">
          <code>{at.join('.')}</code> {briefly(before, 40)} → {briefly(after, 40)}{' '}
        </span>
      ))}
      {changes.length > 3 ? <span class="muted">{t('andMore', { n: changes.length - 3 })}</span> : null}
    </>
  );
}

function StepPair({
  path,
  left,
  right,
  change,
  isFirst,
}: {
  readonly path: string;
  readonly left: StepResult | undefined;
  readonly right: StepResult | undefined;
  readonly change: StepChange | undefined;
  readonly isFirst: boolean;
}): JSX.Element {
  const told = change?.kind === 'changed' ? change.changes.filter(({ at }) => !unlike.has(at[0])) : [];
  return (
    <tr class={isFirst ? 'first' : ''}>
      <th scope="row">
        <code>{path}</code>
      </th>
      <StepCell row={left} />
      <StepCell row={right} />
      <td>
        {isFirst ? <b class="tag">{t('firstDifference')} ◀</b> : null}{' '}
        {change === undefined || !isTelling(change) ? '=' : <ChangeText changes={told} />}
      </td>
    </tr>
  );
}

function StepCell({ row }: { readonly row: StepResult | undefined }): JSX.Element {
  if (row === undefined) return <td class="muted">–</td>;
  return (
    <td>
      <span class={`state ${row.status}`} title={t(row.status)}>
        {icons[row.status]}
      </span>{' '}
      {row.duration > 0 ? spanText(row.duration * 1_000) : t(row.status)}
      {row.attempts > 1 ? ` ${t('attempt', { n: row.attempts })}` : ''}
    </td>
  );
}
