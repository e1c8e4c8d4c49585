import type { Patch as ImmerPatch } from 'immer';
import { Immer } from 'immer';
import * as t from 'io-ts';

import { jsonValue } from '../../../codec/jsonValue';
import { Count, listOf } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import type { RunEvent as AnyEvent } from '../../../model/event';
import type { RunState } from '../../../model/state';
import { isAffordable, isReserved } from './outputDiff';

// Freezing would freeze what belongs to users.
const immer = new Immer({ autoFreeze: false });

/** Where the value stands that an output is a change of: the run's input, or the output of a step that ended before. */
export interface BaseRef {
  /** Path of the step; the empty path is the run's input. */
  readonly path: string;
  /** `seq` of the event that gave it; 0 for the input. */
  readonly seq: number;
}

/** What the journal keeps of an event whose output is an earlier value with a part changed: this instead of the output. */
export interface OutputChange {
  readonly base: BaseRef;
  readonly patches: readonly ImmerPatch[];
}

/** An event as the journal keeps it then. */
export type ChangedOutput = AnyEvent & OutputChange;

/** Deepest place a value may have: what `Json` allows. */
const MOST_DEEP = 256;

const Patch: t.Type<ImmerPatch> = new t.Type<ImmerPatch>(
  'a patch',
  isPatch,
  (value, context) => (isPatch(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

const Base = recordCodec<BaseRef>('BaseRef', { path: t.string, seq: Count }, {});

/** What is read back beside the event: nothing of it is trusted but that its checksum fits. */
export const OutputChange: t.Type<OutputChange> = recordCodec<OutputChange>(
  'OutputChange',
  { base: Base, patches: listOf(Patch) },
  {},
);

function isPatch(value: unknown): value is ImmerPatch {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const { op, path } = value as { readonly op?: unknown; readonly path?: unknown };
  if (!Array.isArray(path) || path.length === 0 || path.length > MOST_DEEP) return false;
  const isNamed = path.every((key) =>
    typeof key === 'string' ? !isReserved(key) : Number.isSafeInteger(key) && key >= 0,
  );
  if (!isNamed) return false;
  if (op === 'remove') return true;
  if ((op !== 'add' && op !== 'replace') || !Object.hasOwn(value, 'value')) return false;
  const inner = (value as { readonly value: unknown }).value;
  try {
    // No value gets deeper than whole ones may be, however many patches follow one another.
    return inner !== undefined && jsonValue(inner, '', { depth: MOST_DEEP - path.length }) === inner;
  } catch {
    return false;
  }
}

/**
 * The event with its output. `outputAt` gives the value of a base, or undefined.
 *
 * @param length - Characters of the record, where it is not known who wrote it.
 * @throws RangeError when they do not fit, or when the change costs more than its record pays for.
 */
export function wholeEvent(
  changed: ChangedOutput,
  outputAt: (base: BaseRef) => unknown,
  length = Number.POSITIVE_INFINITY,
): AnyEvent {
  const value = outputAt(changed.base);
  if (typeof value !== 'object' || value === null)
    throw new RangeError(`its base, step "${changed.base.path}", has no such output`);
  const { base: _, patches, ...event } = changed;
  if (!isAffordable(value, patches, length)) throw new RangeError('it copies too much');
  return { ...event, output: patched(value, patches) } as AnyEvent;
}

/** The value of a base in this state. */
export function outputIn(state: RunState | undefined, { path, seq }: BaseRef): unknown {
  if (path === '' && seq === 0) return state?.input;
  const step = state?.steps.get(path);
  return step?.status === 'COMPLETED' && step.seq === seq ? step.output : undefined;
}

/** The value after these patches; `base` stays as it is. @throws RangeError for a patch that does not fit. */
export function patched(base: object, patches: readonly ImmerPatch[]): unknown {
  return immer.produce(base, (draft) => {
    for (const patch of patches) apply(draft as Container, patch);
  });
}

type Container = Record<string | number, unknown>;

function apply(root: Container, { op, path, value }: ImmerPatch): void {
  const misfit = (): never => {
    throw new RangeError(`no ${op} at ${path.join('.')}`);
  };
  let container = root;
  for (const key of path.slice(0, -1)) {
    const inner = Object.hasOwn(container, key) ? container[key] : misfit();
    container = typeof inner === 'object' && inner !== null ? (inner as Container) : misfit();
  }
  const key = path.at(-1) ?? misfit();
  const isThere = Object.hasOwn(container, key);
  if (Array.isArray(container)) {
    const { length } = container;
    const isCut = op === 'replace' && key === 'length' && typeof value === 'number' && value <= length;
    const isItem =
      typeof key === 'number' && (op === 'replace' ? key < length : op === 'add' && key === length);
    if (!isCut && !isItem) misfit();
  } else if (isThere === (op === 'add')) {
    misfit();
  }
  if (op === 'remove') Reflect.deleteProperty(container, key);
  else container[key] = value;
}
