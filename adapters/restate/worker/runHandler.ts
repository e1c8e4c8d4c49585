import type { InvocationId, WorkflowContext } from '@restatedev/restate-sdk';
import { TerminalError } from '@restatedev/restate-sdk';

import { RunState } from '../../../lib/codec/stateCodec';
import type { CallCallbacks } from '../../../lib/engine/engine';
import { interpret } from '../../../lib/engine/interpreter/interpreter';
import type { StepTask } from '../../../lib/engine/task';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent } from '../../../lib/model/event';
import type { RunState as State, RunStatus } from '../../../lib/model/state';
import type { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { LifeResult, Part, Rest, StartRequest, ToldEvent } from '../protocol/protocol';
import { BATCH_BYTES, FLUSH_MS, LARGEST_MESSAGE, LONGEST_WATCH_MS, WATCH_MS } from '../protocol/wireLimits';
import type { InProcessCall } from './callInProcess';
import type { LifeEngine, Placed } from './durableEngine';
import { lifeEngine } from './durableEngine';
import type { HeldEvents } from './eventBatches';
import { heldEvents, toldEvent } from './eventBatches';
import type { Teller } from './eventPublisher';
import { openingOf } from './openLife';

/** What carrying out a life needs of the worker. */
export interface Worker {
  readonly agent: Agent<never, unknown>;
  readonly cache: AnswerCache;
  /** The lives under way here. One whose attempt is lost, or suspended by the server, is gone without coming to its end. */
  readonly lives: Set<PlacedLife>;
  teller(key: string, before: () => readonly Part[]): Teller;
  place(life: PlacedLife, task: StepTask, input: unknown, callbacks: CallCallbacks): Placed;
}

/** The life that a step is called in. */
export interface PlacedLife {
  readonly context: WorkflowContext;
  readonly runId: string;
  readonly key: string;
  readonly known: () => StepTable;
  readonly teller: Teller;
  /** Calls of functions that are under way here. */
  readonly underWay: Set<InProcessCall>;
  /** Whether the connection to the server is lost: what is called now would be called beside what another worker does. */
  readonly isLost: () => boolean;
  /** Cancels an invocation that nobody waits for any more. */
  readonly abandon: (id: Promise<InvocationId>) => void;
}

/**
 * Carries out one life of a run inside a handler. Everything the interpreter asks for is a durable operation, and their
 * answers come back through one race, in the order of the journal; so a replay does the same again, step by step.
 *
 * Events are a function of the journal. They are told in batches as durable promises `ev:<index>`, the last of them with
 * the result; those that are held back for longer than a batch are told early, beside the journal.
 */
export async function carryOut(
  context: WorkflowContext,
  worker: Worker,
  request: StartRequest,
  before: Rest | undefined,
): Promise<LifeResult> {
  const { runId } = request;
  const { agent } = worker;
  const opening = openingOf(agent, request, before);
  if ('refused' in opening) {
    context.set('rest', before);
    return { status: 'FAILED', from: 0, events: [], parts: 0, refused: opening.refused };
  }
  const { state, event, input } = opening;

  let previewed = 0;
  let lastFlush = request.at;
  let timer: NodeJS.Timeout | undefined;
  const early = (): readonly Part[] => {
    const parts = previews(engine.events, Math.max(previewed, held.from()));
    previewed = engine.events.length;
    return parts;
  };
  const teller = worker.teller(context.key, early);
  const underWay = new Set<InProcessCall>();
  const { attemptCompletedSignal } = context.request();
  attemptCompletedSignal.addEventListener('abort', () => {
    clearTimeout(timer);
    teller.close();
    // When the server is lost, it asks another worker: what still runs here must not go on beside that.
    for (const call of underWay) call.abandon();
    engine.leave();
    worker.lives.delete(life);
  });
  const life: PlacedLife = {
    context,
    runId,
    key: context.key,
    teller,
    underWay,
    isLost: () => attemptCompletedSignal.aborted,
    known: () => engine.steps(),
    abandon: (id) => {
      engine.abandon(id);
    },
  };
  const engine: LifeEngine = lifeEngine({
    context,
    state,
    at: Math.max(request.at, state.endedAt ?? 0),
    answers: before?.answers ?? [],
    cache: worker.cache,
    place: (task, value, callbacks) => worker.place(life, task, value, callbacks),
  });
  const held: HeldEvents = heldEvents(engine.events);

  engine.record(event, () => undefined);
  if (opening.warning !== undefined) engine.tell(opening.warning);
  let isOver = false;
  // As a type, because the compiler does not see that a function sets it.
  let isUndoing = false as boolean;
  const interpreter = interpret({
    runId,
    agent,
    input,
    engine,
    known: opening.isResumed ? engine.steps() : undefined,
    seq: event.seq,
    maxCrashes: Infinity,
    ended() {
      isOver = true;
    },
  });
  const undo = (): void => {
    isUndoing = true;
    interpreter.cancel(undefined, (cancelled) => {
      engine.note(cancelled);
      isOver = true;
    });
  };
  if (request.isCancelled === true) undo();
  else interpreter.begin();

  /** Tells in durable promises what has been held back for long enough, by the clock of the journal. */
  const flush = (isDue: boolean): void => {
    while (isDue && held.from() < engine.events.length) {
      const position = held.from();
      void context.promise<readonly ToldEvent[]>(`ev:${position}`).resolve(held.take().map(toldEvent));
      lastFlush = engine.clock();
    }
  };

  worker.lives.add(life);
  try {
    while (!isOver) {
      flush(engine.clock() - lastFlush >= FLUSH_MS || held.bytes() > BATCH_BYTES);
      if (engine.events.length > Math.max(previewed, held.from())) {
        timer ??= setTimeout(() => {
          timer = undefined;
          teller.preview();
        }, previewAfter(worker.lives.size));
      }
      const isGoing = await engine.turn();
      if (isGoing) continue;
      if (!isUndoing && (await context.promise<true>(CANCEL_ASKED).peek()) !== undefined) {
        undo();
        continue;
      }
      const cancelled = interpreter.stop();
      if (cancelled !== undefined) engine.note(cancelled);
      isOver = true;
    }
  } finally {
    worker.lives.delete(life);
    clearTimeout(timer);
    teller.close();
    engine.leave();
  }
  await engine.cancelAbandoned();

  flush(held.from() > 0 || held.bytes() > BATCH_BYTES);
  let status: RunStatus = 'COMPLETED';
  if (engine.events.at(-1)?.type !== 'run.completed') {
    const final = engine.state();
    leave(context, engine, final);
    ({ status } = final);
  }
  const from = held.from();
  return { status, from, events: engine.events.slice(from).map(toldEvent), parts: engine.told() };
}

/** Resolved when somebody has asked for the end of a life: sagas undo then what they have done. */
export const CANCEL_ASKED = 'cancel asked';

/** The more lives a worker carries out, the longer each turn takes, and the less often one is told early. */
function previewAfter(lives: number): number {
  return Math.min(LONGEST_WATCH_MS, WATCH_MS * Math.max(1, Math.ceil(lives / 4)));
}

/** Puts down how the run stands, for the next life. */
function leave(context: WorkflowContext, engine: LifeEngine, state: State): void {
  const rest: Rest = { state: RunState.encode(state), answers: engine.unused(), read: engine.read() };
  if (JSON.stringify(rest).length > LARGEST_MESSAGE) {
    throw new TerminalError(
      `Run "${state.runId}" cannot rest: its results are larger than ${LARGEST_MESSAGE} bytes; keep references instead`,
    );
  }
  context.set('rest', rest);
}

/** What is told early of events that are held back. */
function previews(events: readonly RunEvent[], from: number): readonly Part[] {
  return events.slice(from).map((event, offset) => ({ index: from + offset, event }));
}
