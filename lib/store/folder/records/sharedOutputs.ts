import { isLeft, right } from 'fp-ts/lib/Either';
import type * as t from 'io-ts';

import { RunState as RunStateCodec } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import type { RunState } from '../../../model/state';
import type { StepResult } from '../../../model/stepResult';
import { StepTable } from '../../../model/stepTable';
import { OutputChange, patched } from '../deltas/applyDeltas';
import { isAffordable, outputChange } from '../deltas/outputDiff';

/*
 * How a run file says an output that is an earlier value with a part changed: instead of `output` the row has `change`, which
 * names the step whose output it changes (the empty path is the input of the run) and the patches. That step stands before it
 * in the file. A reader makes all values whole before anybody looks at them.
 */

/** A value that was written whole or as a change, for later ones to be changes of. */
interface Base {
  readonly path: string;
  readonly value: object;
}

/** So many values are tried; a chain needs one, a fan-out two. */
const MOST_BASES = 3;
/** Characters of a row from which it is worth looking for something in common. */
const LEAST_TEXT = 600;

/** The state as JSON text in pieces, one step a line; what outputs have in common stands there once. */
export function* sharedStateText(state: RunState): Generator<string> {
  const { steps, plan, output, ...rest } = state;
  let separator = '{\n';
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    separator = ',\n';
  }
  yield* listText('plan', plan, JSON.stringify);
  const shared = new SharedOutputs(state.input);
  yield* listText('steps', steps, (row) => shared.row(row));
  if (output !== undefined) yield `,\n${shared.last(output)}`;
  yield '\n}';
}

/** A named list, one item a line; each item is written by `text`. */
export function* listText<T>(name: string, items: Iterable<T>, text: (item: T) => string): Generator<string> {
  let separator = `,\n${JSON.stringify(name)}: [\n`;
  let isEmpty = true;
  for (const item of items) {
    yield `${separator}${text(item)}`;
    separator = ',\n';
    isEmpty = false;
  }
  yield isEmpty ? `,\n${JSON.stringify(name)}: []` : '\n]';
}

/** Writes rows; remembers the large outputs of late. */
class SharedOutputs {
  #bases: readonly Base[] = [];

  constructor(input: unknown) {
    if (isLarge(input)) this.#bases = [{ path: '', value: input }];
  }

  /** The output of the run itself, with its name. */
  last(output: unknown): string {
    return this.#changed(output) ?? `"output": ${JSON.stringify(output)}`;
  }

  row(row: StepResult): string {
    const { output } = row;
    if (typeof output !== 'object' || output === null) return JSON.stringify(row);
    const change = this.#changed(output);
    const { output: _, ...others } = row;
    const text =
      change === undefined ? JSON.stringify(row) : `${JSON.stringify(others).slice(0, -1)},${change}}`;
    if (change !== undefined || text.length >= LEAST_TEXT) this.#remember(row.stepId, output);
    return text;
  }

  /** The property that says the value as a change; undefined when it is better written whole. */
  #changed(value: unknown): string | undefined {
    for (const { path, value: base } of this.#bases) {
      const patches = outputChange(base, value);
      if (patches === undefined) continue;
      const text = JSON.stringify({ base: { path, seq: 0 }, patches } satisfies OutputChange);
      if (isAffordable(base, patches, text.length)) return `"change": ${text}`;
    }
    return undefined;
  }

  #remember(path: string, value: object): void {
    this.#bases = [{ path, value }, ...this.#bases].slice(0, MOST_BASES);
  }
}

function isLarge(value: unknown): value is object {
  return typeof value === 'object' && value !== null && JSON.stringify(value).length >= LEAST_TEXT;
}

/**
 * The state in this JSON, with all of its outputs whole.
 *
 * A value made of a good one and a good change is not walked again: a run may have hundreds that are nearly the same.
 *
 * @throws RangeError when a change does not fit, or costs more than its text pays for.
 */
export function decodeShared(json: unknown): t.Validation<RunState> {
  const changes = new Map<string, OutputChange>();
  const rows = takeChanges(json, changes);
  if (rows === undefined) return RunStateCodec.decode(json);
  const decoded = RunStateCodec.decode(rows);
  if (isLeft(decoded)) return decoded;
  const { steps, ...state } = decoded.right;
  const values = new Map<string, unknown>([['', state.input]]);
  const whole = [...steps].map((row) => {
    const change = changes.get(row.stepId);
    const full = change === undefined ? row : Object.freeze({ ...row, output: changed(change, values) });
    values.set(row.stepId, full.output);
    return full;
  });
  const last = changes.get('');
  return right(
    Object.freeze({
      ...state,
      steps: StepTable.of(whole),
      ...(last !== undefined && { output: changed(last, values) }),
    }),
  );
}

/** The JSON without its changes, which go into the map by their steps, that of the run by ''; undefined when it has none. */
function takeChanges(json: unknown, changes: Map<string, OutputChange>): unknown {
  if (typeof json !== 'object' || json === null) return undefined;
  const { steps } = json as { readonly steps?: unknown };
  if (!Array.isArray(steps)) return undefined;
  const rows = steps.map((row: unknown) => takeChange(row, changes));
  const state = takeChange(json, changes, '');
  return changes.size === 0 ? undefined : { ...(state as object), steps: rows };
}

function takeChange(holder: unknown, changes: Map<string, OutputChange>, name?: string): unknown {
  if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, 'change')) return holder;
  const { change, ...others } = holder as { readonly change?: unknown; readonly stepId?: unknown };
  const decoded = OutputChange.decode(change);
  if (isLeft(decoded)) throw new RangeError(explain(decoded.left)[0] ?? 'no change of an output');
  const step = name ?? others.stepId;
  if (typeof step !== 'string' || (step === '') !== (name === ''))
    throw new RangeError('it belongs to no step');
  changes.set(step, decoded.right);
  return others;
}

function changed(change: OutputChange, values: ReadonlyMap<string, unknown>): unknown {
  const { base, patches } = change;
  const value = values.get(base.path);
  if (typeof value !== 'object' || value === null)
    throw new RangeError(`step "${base.path}", whose output it changes, has none`);
  if (!isAffordable(value, patches, JSON.stringify(change).length))
    throw new RangeError('it copies too much');
  return patched(value, patches);
}
