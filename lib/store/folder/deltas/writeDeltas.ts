import type { RunEvent } from '../../../model/event';
import type { BaseRef, OutputChange } from './applyDeltas';
import { patched } from './applyDeltas';
import { isAffordable, outputChange } from './outputDiff';

/** Writes the events of one run as JSON text: outputs that are earlier values with a part changed as that change. */
export interface OutputJournal {
  text(event: RunEvent): string;
  /** Says that the latest text is written: from now on others may be changes of what it says. */
  wrote(event: RunEvent): void;
}

/** A value that was written: its text, or the value as it will be read. */
interface Base {
  readonly ref: BaseRef;
  readonly value: () => unknown;
}

/** So many values are tried; a chain needs one, a fan-out two. */
const MOST_BASES = 3;
/** Characters of a record from which it is worth looking for something in common. */
export const LEAST_TEXT = 600;
/** Characters that a step of a plan takes, about. */
const PLANNED_STEP = 100;

/** A journal of outputs that knows of no earlier value yet. */
export function outputJournal(): OutputJournal {
  /** Those of late, the latest first. */
  let bases: readonly Base[] = [];
  let pending: Base | undefined;

  const changed = (event: WithOutput): string | undefined => {
    for (const base of bases) {
      const before = base.value();
      const patches = outputChange(before, event.output);
      if (patches === undefined) continue;
      const { output: _, ...rest } = event;
      const change: OutputChange = { base: base.ref, patches };
      const text = JSON.stringify({ ...rest, ...change });
      if (!isAffordable(before as object, patches, text.length)) continue;
      // What a reader will make of the text, not objects that users may change.
      const value = patched(before as object, (JSON.parse(text) as OutputChange).patches);
      pending = baseOf(event, () => value);
      return text;
    }
    return undefined;
  };

  return {
    text(event) {
      pending = undefined;
      const change = hasOutput(event) && bases.length > 0 ? changed(event) : undefined;
      if (change !== undefined) return change;
      const text = JSON.stringify(event);
      if (text.length >= LEAST_TEXT && isLarge(event, text))
        pending = baseOf(
          event,
          once(() => valueIn(text)),
        );
      return text;
    },
    wrote(event) {
      if (forgets(event)) bases = [];
      if (pending === undefined) return;
      const { seq } = pending.ref;
      bases = [pending, ...bases.filter(({ ref }) => ref.seq !== seq)].slice(0, MOST_BASES);
      pending = undefined;
    },
  };
}

type WithOutput = RunEvent & { readonly output?: unknown };

function hasOutput(event: RunEvent): event is WithOutput {
  return (
    (event.type === 'step.completed' || event.type === 'run.completed') &&
    typeof event.output === 'object' &&
    event.output !== null
  );
}

/** Saved outputs may go with it. */
function forgets(event: RunEvent): boolean {
  return (
    event.type === 'run.resumed' ||
    (event.type === 'step.started' && event.dropped !== undefined) ||
    (event.type === 'step.retrying' && event.reset !== undefined)
  );
}

/** Whether a long record is long for its value: that of a run that begins may be long for its plan. */
function isLarge(event: RunEvent, { length }: string): boolean {
  if (event.type !== 'run.started') return true;
  if (event.input === undefined) return false;
  // Either gives the length of the input; the other one would make a large text a second time.
  const isPlanShort = event.plan.length * PLANNED_STEP < length;
  const inputLength = isPlanShort
    ? length - JSON.stringify({ ...event, input: undefined }).length - ',"input":'.length
    : JSON.stringify(event.input).length;
  return inputLength >= LEAST_TEXT;
}

function baseOf(event: RunEvent, value: () => unknown): Base | undefined {
  if (event.type === 'run.started') return { ref: { path: '', seq: 0 }, value };
  if (event.type === 'step.completed') return { ref: { path: event.path, seq: event.seq }, value };
  return undefined;
}

function valueIn(text: string): unknown {
  const { input, output } = JSON.parse(text) as { readonly input?: unknown; readonly output?: unknown };
  return output ?? input;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
