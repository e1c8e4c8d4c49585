import { isLeft } from 'fp-ts/lib/Either';

import { jsonValue } from '../codec/jsonValue';
import { RunState, SnapshotHead } from '../codec/stateCodec';
import { explain } from '../codec/validate';
import type { Snapshot, SnapshotMetadata, SnapshotSummary } from '../model/snapshot';
import type { RunState as RunStateRecord } from '../model/state';
import { asStored } from '../model/storedOutput';
import { checkValues } from './claimRun';
import { StateValueError } from '../errors/runErrors';
import { listText } from './folder/records/sharedOutputs';
import { InvalidArgumentError } from '../model/failure';

/** A snapshot as text, taken at once: what happens to the values later does not change it. */
export interface SnapshotText {
  readonly summary: SnapshotSummary;
  readonly state: readonly string[];
}

/** @throws StateValueError when a value of the state, or the metadata, is no plain JSON. */
export function captureSnapshot(
  snapshotId: string,
  at: number,
  name: string,
  state: RunStateRecord,
  metadata: SnapshotMetadata,
): SnapshotText {
  checkValues(state);
  const kept = JSON.parse(JSON.stringify(checkedMetadata(name, metadata))) as SnapshotMetadata;
  const summary = {
    snapshotId,
    name,
    timestamp: new Date(at).toISOString(),
    runId: state.runId,
    metadata: kept,
  };
  return { summary: Object.freeze(summary), state: [...stateText(asStored(state))] };
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
  const decoded = RunState.decode(state);
  if (isLeft(decoded)) return refuse(explain(decoded.left)[0] ?? 'no state of a run');
  if (decoded.right.runId !== summary.runId) return refuse('it holds the state of another run');
  const { snapshotId, name, timestamp, metadata } = summary;
  return Object.freeze({ snapshotId, name, timestamp, executionState: decoded.right, metadata });
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
