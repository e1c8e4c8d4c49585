import { isLeft } from 'fp-ts/lib/Either';

import { jsonValue } from '../codec/jsonValue';
import { Json } from '../codec/plainCodecs';
import { RunState, SnapshotHead } from '../codec/stateCodec';
import { typeName } from '../codec/typeName';
import { explain } from '../codec/validate';
import type { Snapshot, SnapshotMetadata, SnapshotSummary } from '../model/snapshot';
import type { RunState as RunStateRecord } from '../model/state';
import { asStored } from '../model/state';
import { checkValues } from './claimRun';
import { StateValueError } from '../errors/runErrors';
import { listText } from './folder/records/sharedOutputs';
import { InvalidArgumentError } from '../model/failure';

/** A snapshot as text, taken at once: what happens to the values later does not change it. */
export interface SnapshotText {
  readonly summary: SnapshotSummary;
  readonly state: readonly string[];
}

/**
 * @throws InvalidArgumentError when the name is no text, or the state no object.
 * @throws StateValueError when a value of the state, or the metadata, is no plain JSON.
 */
export function captureSnapshot(
  snapshotId: string,
  at: number,
  name: string,
  state: object,
  metadata: SnapshotMetadata,
): SnapshotText {
  if (typeof (name as unknown) !== 'string')
    throw new InvalidArgumentError(
      `Cannot save a snapshot under a name that is ${typeName(name)}`,
      'give text, such as snapshots.save("before the release", state)',
    );
  const body = bodyOf(name, state);
  const kept = JSON.parse(JSON.stringify(checkedMetadata(name, metadata))) as SnapshotMetadata;
  const timestamp = new Date(at).toISOString();
  const summary = { snapshotId, name, timestamp, runId: body.runId, metadata: kept };
  return { summary: Object.freeze(summary), state: body.text };
}

/** @throws InvalidArgumentError when it is no id, whatever it names. */
export function checkSnapshotId(snapshotId: unknown): asserts snapshotId is string {
  if (typeof snapshotId !== 'string')
    throw new InvalidArgumentError(
      `Cannot find a snapshot by ${typeName(snapshotId)}`,
      'give the snapshotId of one; snapshots.list() names those that are there',
    );
}

function bodyOf(name: string, state: unknown): { readonly runId: string; readonly text: readonly string[] } {
  if (isRunState(state)) {
    checkValues(state);
    return { runId: state.runId, text: [...stateText(asStored(state))] };
  }
  if (typeof state !== 'object' || state === null || Array.isArray(state))
    throw new InvalidArgumentError(
      `Cannot save snapshot "${name}": the state is no object`,
      'give a state from a transition or from loadRun(), or a plain object',
    );
  return { runId: NO_RUN, text: [JSON.stringify(checkedPlain(name, state))] };
}

/** What stands for the id of the run in a snapshot of a plain object: no run has it. */
const NO_RUN = '';

/** Whether this is how a run stands, as a value or as its JSON, and not an object of the user's. */
function isRunState(state: unknown): state is RunStateRecord {
  if (typeof state !== 'object' || state === null) return false;
  const { runId, steps, plan } = state as Partial<RunStateRecord>;
  if (typeof runId !== 'string' || runId === NO_RUN || !Array.isArray(plan)) return false;
  return typeof steps === 'object' && Symbol.iterator in steps;
}

function checkedPlain(name: string, state: object): unknown {
  try {
    return jsonValue(state, '');
  } catch (error) {
    if (!(error instanceof StateValueError)) throw error;
    throw new StateValueError('', error.at, error.why, `the state of snapshot "${name}"`);
  }
}

function checkedMetadata(name: string, metadata: SnapshotMetadata): unknown {
  try {
    return jsonValue(metadata, '');
  } catch (error) {
    if (!(error instanceof StateValueError)) throw error;
    throw new StateValueError('', error.at, error.why, `the metadata of snapshot "${name}"`);
  }
}

/** The snapshot that was captured, as it will be read back. */
export function snapshotOf({ summary, state }: SnapshotText): Snapshot {
  return readSnapshot(summary, JSON.parse(state.join('')), (why) => {
    throw new InvalidArgumentError(
      `Cannot save snapshot "${summary.name}": ${why}`,
      'give a state from a transition or from loadRun()',
    );
  });
}

/** The snapshot in these fields; `refuse` throws when they hold none. */
export function readSnapshot(head: unknown, state: unknown, refuse: (why: string) => never): Snapshot {
  const summary = readSummary(head, refuse);
  if (summary.runId === NO_RUN) return plainSnapshot(summary, state, refuse);
  const decoded = RunState.decode(state);
  if (isLeft(decoded)) return refuse(explain(decoded.left)[0] ?? 'no state of a run');
  if (decoded.right.runId !== summary.runId) return refuse('it holds the state of another run');
  const { snapshotId, name, timestamp, metadata } = summary;
  return Object.freeze({ snapshotId, name, timestamp, executionState: decoded.right, metadata });
}

function plainSnapshot(
  { snapshotId, name, timestamp, metadata }: SnapshotSummary,
  state: unknown,
  refuse: (why: string) => never,
): Snapshot {
  if (typeof state !== 'object' || state === null || Array.isArray(state) || !Json.is(state))
    return refuse('it holds no plain object');
  // Whoever saved it knows its type.
  return Object.freeze({ snapshotId, name, timestamp, executionState: state as RunStateRecord, metadata });
}

/** The summary in these fields; `refuse` throws when they hold none. */
export function readSummary(head: unknown, refuse: (why: string) => never): SnapshotSummary {
  const decoded = SnapshotHead.decode(head);
  if (isLeft(decoded)) return refuse(explain(decoded.left)[0] ?? 'no snapshot');
  const { snapshotId, name, timestamp, runId, metadata } = decoded.right;
  return Object.freeze({ snapshotId, name, timestamp, runId, metadata });
}

/** The state as JSON text in pieces, one step a line, every value whole. */
export function* stateText(state: RunStateRecord): Generator<string> {
  const { steps, plan, ...rest } = state;
  let separator = '{\n';
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    separator = ',\n';
  }
  yield* listText('plan', plan, JSON.stringify);
  yield* listText('steps', steps, JSON.stringify);
  yield '\n}';
}
