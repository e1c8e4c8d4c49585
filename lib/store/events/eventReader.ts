import { isLeft } from 'fp-ts/lib/Either';

import { RunEvent as RunEventCodec } from '../../codec/eventCodec';
import { RunState } from '../../codec/stateCodec';
import { explain } from '../../codec/validate';
import type { RunEvent } from '../../model/event';
import { OutputChange, wholeEvent } from '../folder/deltas/applyDeltas';
import { LEAST_TEXT } from '../folder/deltas/writeDeltas';

/** A value that later outputs may be changes of. */
interface Base {
  readonly path: string;
  readonly seq: number;
  readonly value: unknown;
}

/** The writer tries fewer. */
const MOST_BASES = 8;

/** Makes whole events of what is written of one run, in order. */
export class EventReader {
  readonly #runId: string;
  #bases: readonly Base[] = [];

  constructor(runId: string) {
    this.#runId = runId;
  }

  /**
   * The event in this JSON, which belongs to the run.
   *
   * @param length - Characters of its record in the journal.
   * @throws RangeError when it is not an event, or a change of an output that does not fit.
   */
  read(json: object, length: number): RunEvent {
    const { type, runId: _, ...rest } = json as { readonly type?: unknown; readonly runId?: unknown };
    const content = { type, runId: this.#runId, ...rest };
    if (type === 'run.imported' || type === 'store.imported') return imported(content);
    if (!RunEventCodec.is(content)) {
      const decoded = RunEventCodec.decode(content);
      throw new RangeError(isLeft(decoded) ? (explain(decoded.left)[0] ?? 'no event') : 'no event');
    }
    const isChange = Object.hasOwn(content, 'patches');
    const event = isChange ? this.#whole(content, length) : content;
    if (!isChange && length < LEAST_TEXT) return event;
    if (event.type === 'run.started') this.#remember('', 0, event.input);
    else if (event.type === 'step.completed') this.#remember(event.path, event.seq, event.output);
    return event;
  }

  #whole(content: RunEvent, length: number): RunEvent {
    const change = OutputChange.decode(content);
    if (isLeft(change)) throw new RangeError(explain(change.left)[0] ?? 'no change of an output');
    return wholeEvent(
      { ...content, ...change.right },
      ({ path, seq }) => this.#bases.find((base) => base.path === path && base.seq === seq)?.value,
      length,
    );
  }

  #remember(path: string, seq: number, value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    this.#bases = [{ path, seq, value }, ...this.#bases].slice(0, MOST_BASES);
  }
}

function imported(content: object): RunEvent {
  const { runId, seq, at, state } = content as {
    readonly runId: string;
    readonly seq?: unknown;
    readonly at?: unknown;
    readonly state?: object;
  };
  const decoded = RunState.decode({ ...state, runId });
  if (isLeft(decoded)) throw new RangeError(explain(decoded.left)[0] ?? 'no state of a run');
  const { right } = decoded;
  return {
    type: 'run.imported',
    runId,
    seq: typeof seq === 'number' ? seq : right.seq,
    at: typeof at === 'number' ? at : (right.endedAt ?? right.startedAt),
    state: right,
  };
}
