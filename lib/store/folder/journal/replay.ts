import { isLeft } from 'fp-ts/lib/Either';

import { RunEvent } from '../../../codec/eventCodec';
import { RunState } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { RunEvent as AnyEvent } from '../../../model/event';
import { isJournaled } from '../../../model/event';
import { reduceRun } from '../../../model/reduce';
import type { RunState as RunStateRecord } from '../../../model/state';
import { idleState } from '../../../model/state';
import { OutputChange, outputIn, wholeEvent } from '../deltas/applyDeltas';
import type { ScannedRecord } from './journalScan';

/** What a record of the journal says besides the events of runs. */
export type StoreRecord =
  | { readonly type: 'store.deleted'; readonly runId: string }
  | {
      readonly type: 'store.imported';
      readonly runId: string;
      readonly state: unknown;
      /** Those that led to the state, where they are known. */
      readonly events?: readonly unknown[];
    };

/** Whether a record says that its run is deleted, as this and all earlier releases write it. */
export function isForgetting(json: string): boolean {
  return json.startsWith('{"type":"store.deleted",');
}

/** What a record says about its run. */
export interface ParsedRecord {
  readonly runId: string;
  readonly seq: number;
  readonly offset: number;
  readonly json: string;
  readonly type: AnyEvent['type'] | StoreRecord['type'];
  /** Whether the run is deleted with it. */
  readonly forgets: boolean;
  /** Whether it can be applied to this state: nothing is missing between them. */
  readonly follows: (state: RunStateRecord | undefined) => boolean;
  /** @throws StoreCorruptError when it needs what the state does not hold. */
  readonly apply: (state: RunStateRecord | undefined) => RunStateRecord | undefined;
}

/** @throws StoreCorruptError when it is none a store writes. */
export function parseRecord({ json, file, offset, seq }: ScannedRecord): ParsedRecord {
  const refuse = (why: string): never => {
    throw new StoreCorruptError(file, offset, why);
  };
  let content: {
    readonly type?: unknown;
    readonly runId?: unknown;
    readonly state?: unknown;
  };
  try {
    content = JSON.parse(json) as typeof content;
  } catch {
    return refuse('a record that is no JSON');
  }
  if (typeof content !== 'object' || (content as unknown) === null)
    return refuse('a record that is no object');
  const { runId } = content;
  if (typeof runId !== 'string') return refuse('a record without a run');
  // A whole literal: each field that is added behind a spread costs V8 half a microsecond.
  const parsed = (
    type: ParsedRecord['type'],
    follows: ParsedRecord['follows'],
    apply: ParsedRecord['apply'],
  ): ParsedRecord => ({
    runId,
    seq,
    offset,
    json,
    type,
    forgets: type === 'store.deleted',
    follows,
    apply,
  });
  if (content.type === 'store.deleted') return parsed(content.type, always, () => undefined);
  if (content.type === 'store.imported') {
    const state = RunState.decode(content.state);
    if (isLeft(state)) return refuse(explain(state.left)[0] ?? 'no state of a run');
    if (state.right.runId !== runId)
      return refuse(`a state of run "${state.right.runId}" for run "${runId}"`);
    return parsed(content.type, always, () => state.right);
  }
  if (!RunEvent.is(content)) {
    const result = RunEvent.decode(content);
    return refuse(isLeft(result) ? (explain(result.left)[0] ?? 'no event') : 'no event');
  }
  const event = content;
  const { type } = event;
  const counts = isJournaled(event) ? 1 : 0;
  const follows = (state: RunStateRecord | undefined) => event.seq === (state?.seq ?? 0) + counts;
  const next = (state: RunStateRecord | undefined, whole: AnyEvent): RunStateRecord => {
    if (counts === 0 || follows(state)) {
      try {
        return reduceRun(state ?? idleState(runId, '', []), whole);
      } catch (error) {
        return refuse(`a change that does not fit: ${(error as Error).message}`);
      }
    }
    return refuse(`event ${event.seq} of run "${runId}" where ${(state?.seq ?? 0) + 1} belongs`);
  };
  if (!Object.hasOwn(content, 'patches')) return parsed(type, follows, (state) => next(state, event));
  const change = OutputChange.decode(content);
  if (isLeft(change)) return refuse(explain(change.left)[0] ?? 'no change of an output');
  return parsed(type, follows, (state) => {
    try {
      return next(
        state,
        wholeEvent({ ...event, ...change.right }, (base) => outputIn(state, base), json.length),
      );
    } catch (error) {
      return refuse(`a change of an output that does not fit: ${(error as Error).message}`);
    }
  });
}

function always(): boolean {
  return true;
}
