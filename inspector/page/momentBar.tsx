import { computed, signal } from '@preact/signals-core';
import type { JSX } from 'preact';

import type { StateDiff, StepChange, ValueChange } from '../../lib/history/stateDiff';
import { stateDiff } from '../../lib/history/stateDiff';
import { remarkOf } from './details';
import { briefly, icons, numberText, spanText } from './format';
import { act, view } from './machine';
import type { OpenRun } from './pageState';
import { openRun } from './pageState';
import { t } from './texts';

/** How many times quicker than it was a run is played. */
const speed = signal(1);
/** Whether the run is being played. */
const isPlaying = signal(false);

/** Shows the run after so many events. */
function goTo(events: number): void {
  const size = openRun.peek()?.fold.size ?? 0;
  act({ type: 'show', change: { at: Math.min(size, Math.max(1, Math.round(events))) } });
}

/** Goes along with what happens. */
export function goLive(): void {
  isPlaying.value = false;
  act({ type: 'show', change: { at: undefined } });
}

/** To the next or the previous event; with `ofStep` to that of the selected step. */
export function stepTo(direction: 1 | -1, ofStep: boolean): void {
  const fold = openRun.peek()?.fold;
  if (fold === undefined) return;
  const { step } = view.peek();
  let number = fold.at + direction;
  if (ofStep && step !== undefined)
    while (number > 0 && number <= fold.size) {
      const event = fold.event(number);
      if (event !== undefined && 'path' in event && event.path === step) break;
      number += direction;
    }
  if (number >= 1 && number <= fold.size) goTo(number);
}

/** Plays the run from the moment that is shown, at the pace that it had; rests longer than a second are shortened. */
export function togglePlay(): void {
  const fold = openRun.peek()?.fold;
  if (fold === undefined) return;
  isPlaying.value = !isPlaying.peek();
  if (!isPlaying.peek()) return;
  let number = fold.at >= fold.size ? 1 : fold.at;
  let last = performance.now();
  let credit = 0;
  const frame = (time: number): void => {
    if (!isPlaying.peek() || openRun.peek()?.fold !== fold) {
      isPlaying.value = false;
      return;
    }
    credit += (time - last) * speed.peek();
    last = time;
    while (number < fold.size) {
      const gap = Math.min(
        1_000,
        Math.max(0, (fold.event(number + 1)?.at ?? 0) - (fold.event(number)?.at ?? 0)),
      );
      if (gap > credit) break;
      credit -= gap;
      number += 1;
    }
    goTo(number);
    if (number >= fold.size) isPlaying.value = false;
    else requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}

/** The moment that is shown: back and forth, and to the difference between two of them. */
export function MomentBar({ run }: { readonly run: OpenRun }): JSX.Element {
  const { fold } = run;
  void fold.version.value;
  const { at: chosen, since } = view.value;
  const { at, size } = fold;
  const event = fold.event(at);
  return (
    <div class="moments" role="group" aria-label={t('moment')}>
      <Step icon="❘◀" label={t('firstEvent')} act={() => goTo(1)} />
      <Step icon="◀" label={t('previousEvent')} act={() => stepTo(-1, false)} />
      <Step
        icon={isPlaying.value ? '❚❚' : '▶'}
        label={isPlaying.value ? t('pause') : t('play')}
        act={togglePlay}
      />
      <Step icon="▶❘" label={t('nextEvent')} act={() => stepTo(1, false)} />
      <select
        aria-label={t('speed')}
        value={String(speed.value)}
        onChange={({ currentTarget }) => {
          speed.value = Number(currentTarget.value);
        }}
      >
        {[0.1, 0.5, 1, 2, 10, 100].map((factor) => (
          <option key={factor} value={factor}>
            {factor}×
          </option>
        ))}
      </select>
      <input
        type="range"
        min={1}
        max={Math.max(1, size)}
        value={at}
        aria-label={t('moment')}
        aria-valuetext={
          event === undefined ? '' : `${at}: ${event.type} ${'path' in event ? event.path : ''}`
        }
        onInput={({ currentTarget }) => {
          isPlaying.value = false;
          goTo(Number(currentTarget.value));
        }}
      />
      <span class="where">
        <b>
          {numberText(at)}/{numberText(size)}
        </b>{' '}
        {event === undefined ? '' : `${event.type} ${'path' in event ? event.path : ''} `}
        <span class="muted">{event === undefined ? '' : `+${spanText(event.at - fold.range()[0])}`}</span>
      </span>
      <button
        aria-pressed={since !== undefined}
        title="d"
        onClick={() => {
          toggleDiff();
        }}
      >
        {t('difference')}
      </button>
      <button
        class={`live${chosen === undefined ? ' on' : ''}`}
        aria-pressed={chosen === undefined}
        title="."
        onClick={goLive}
      >
        {fold.head.status === 'RUNNING' ? t('live') : t('end')}
      </button>
    </div>
  );
}

function Step({
  icon,
  label,
  act: go,
}: {
  readonly icon: string;
  readonly label: string;
  readonly act: () => void;
}): JSX.Element {
  return (
    <button class="icon" aria-label={label} title={label} onClick={go}>
      {icon}
    </button>
  );
}

/** Shows how the run differs from the moment before; with a difference shown, closes it. */
export function toggleDiff(): void {
  const fold = openRun.peek()?.fold;
  if (fold === undefined) return;
  const { since } = view.peek();
  act({ type: 'show', change: { since: since === undefined ? Math.max(0, fold.at - 1) : undefined } });
}

const diff = computed<StateDiff | undefined>(() => {
  const { since, at } = view.value;
  const fold = openRun.value?.fold;
  if (since === undefined || fold === undefined) return undefined;
  void fold.version.value;
  return stateDiff(fold.stateAt(since), at === undefined ? fold.head : fold.stateAt(at));
});

const MOST_SHOWN = 200;

/** What differs between two moments of the run. */
export function DiffPanel({ run }: { readonly run: OpenRun }): JSX.Element | null {
  const { since } = view.value;
  if (since === undefined || diff.value === undefined) return null;
  const { fold } = run;
  const { steps, run: ofRun } = diff.value;
  return (
    <section class="diff" aria-label={t('difference')}>
      <header>
        <span>
          {t('between')} <MomentName run={run} number={since} /> {t('and')}{' '}
          <MomentName run={run} number={fold.at} />
        </span>
        <label>
          {t('since')}{' '}
          <input
            type="range"
            min={0}
            max={Math.max(0, fold.at - 1)}
            value={since}
            onInput={({ currentTarget }) => {
              act({ type: 'show', change: { since: Number(currentTarget.value) } });
            }}
          />
        </label>
        <WhoChanged run={run} />
        <button class="icon" aria-label={t('close')} onClick={toggleDiff}>
          ✕
        </button>
      </header>
      <div class="changes">
        {ofRun.length === 0 ? null : <ChangeRows path="" changes={ofRun} />}
        {grouped(steps).map(({ key, path, change, count }) => (
          <div key={key} class={`change ${change.kind}`}>
            <span class="sign">{signs[change.kind]}</span>
            <button
              class="link path"
              onClick={() => {
                act({ type: 'show', change: { step: change.path } });
              }}
            >
              {path}
            </button>
            {count > 1 ? <span class="muted">{t('stepsCount', { n: numberText(count) })}</span> : null}
            {change.kind === 'changed' ? (
              <ChangeRows path={change.path} changes={change.changes} />
            ) : (
              <StatusOf change={change} />
            )}
          </div>
        ))}
        {steps.length === 0 && ofRun.length === 0 ? <p class="empty">{t('noDifference')}</p> : null}
      </div>
    </section>
  );
}

const signs: Readonly<Record<ValueChange['kind'], string>> = { added: '+', removed: '−', changed: '~' };

function StatusOf({ change }: { readonly change: StepChange }): JSX.Element {
  const row = change.changes[0]?.after ?? change.changes[0]?.before;
  const status = (row as { status?: keyof typeof icons } | undefined)?.status;
  return (
    <span class={`state ${status ?? ''}`}>{status === undefined ? '' : `${icons[status]} ${t(status)}`}</span>
  );
}

/** Steps that were added beside each other, in the same place and state, as one line. */
function grouped(
  steps: readonly StepChange[],
): { key: string; path: string; change: StepChange; count: number }[] {
  const lines: { key: string; path: string; change: StepChange; count: number; shape: string }[] = [];
  for (const change of steps) {
    const status = (change.changes[0]?.after as { status?: string } | undefined)?.status ?? '';
    const shape = change.kind === 'added' ? `${change.path.replaceAll(/\[[^\]]*\]/g, '[…]')} ${status}` : '';
    const last = lines.at(-1);
    if (shape !== '' && last?.shape === shape) {
      last.count += 1;
      last.path = `${last.change.path} … ${change.path}`;
    } else if (lines.length < MOST_SHOWN)
      lines.push({ key: change.path, path: change.path, change, count: 1, shape });
  }
  return lines;
}

function ChangeRows({
  path,
  changes,
}: {
  readonly path: string;
  readonly changes: readonly ValueChange[];
}): JSX.Element {
  const shown = changes.filter(({ at }) => at[0] !== 'timestamp' && at[0] !== 'seq').slice(0, 20);
  return (
    <ul>
      {shown.map((change) => (
        <li key={change.at.join('.')}>
          <code>
            {change.at
              .map((key) => (typeof key === 'number' ? `[${key}]` : key))
              .join('.')
              .replaceAll('.[', '[')}
          </code>{' '}
          {change.kind === 'added' ? null : <del>{briefly(change.before, 120)}</del>}
          {change.kind === 'changed' ? ' → ' : ' '}
          {change.kind === 'removed' ? null : <ins>{briefly(change.after, 160)}</ins>}
          {path === '' && shown.length === 0 ? null : null}
        </li>
      ))}
    </ul>
  );
}

function MomentName({ run, number }: { readonly run: OpenRun; readonly number: number }): JSX.Element {
  const event = run.fold.event(number);
  return (
    <b>
      {numberText(number)}{' '}
      {event === undefined
        ? t('beginning')
        : `${event.type} ${'path' in event ? event.path : ''} ${remarkOf(event)}`}
    </b>
  );
}

/** The events that changed the selected step, to go to. */
function WhoChanged({ run }: { readonly run: OpenRun }): JSX.Element | null {
  const { step, since = 0 } = view.value;
  if (step === undefined) return null;
  const numbers = run.fold.eventsOf(step, 50).filter((number) => number > since);
  return (
    <span class="who">
      {t('changedBy', { path: step })}{' '}
      {numbers.map((number) => (
        <button key={number} class="link" onClick={() => goTo(number)}>
          {number}
        </button>
      ))}
    </span>
  );
}
