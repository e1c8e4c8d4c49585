import type { InvocationId, WorkflowContext } from '@restatedev/restate-sdk';

import type { CallCallbacks } from '../../../lib/engine/engine';
import { StepExecutor } from '../../../lib/engine/interpreter/stepExecutor';
import type { StepTask } from '../../../lib/engine/task';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent } from '../../../lib/model/event';
import { InvalidArgumentError, toFailure } from '../../../lib/model/failure';
import type { RunIdentity } from '../../../lib/model/incarnation';
import type { StepResult } from '../../../lib/model/stepResult';
import type { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import { isIdOfLater } from '../protocol/newId';
import type {
  LargeEvent,
  LifeResult,
  SealedParts,
  SideEvent,
  StartRequest,
  WireEvent,
} from '../protocol/protocol';
import { piecesOf } from '../protocol/wireEvent';
import { BATCH_BYTES, DRAIN_MS, FLUSH_MS, LONGEST_WATCH_MS, WATCH_MS } from '../protocol/wireLimits';
import type { InProcessCall } from './callInProcess';
import { DurableEngine } from './durableEngine';
import type { Placed } from './durableEngine';
import type { EventBatcher } from './eventBatcher';
import { eventBatcher, isLarge, slimEvent } from './eventBatcher';
import type { EventPublisher, ToldLife } from './eventPublisher';
import type { OpenedLife, RefusedLife } from './openLife';
import type { Before, Rest } from './keptRun';
import { cancelAsked, reasonOf } from './keptRun';
import { openLife } from './openLife';
import { pieceName } from './publishedEvents';

/** What carrying out a life needs of the worker. */
export interface Worker {
  readonly agent: Agent<never, unknown>;
  readonly cache: AnswerCache;
  /** From so many milliseconds on a run that only sleeps does so between two lives. */
  readonly longSleepMs: number;
  /** For how long the server keeps a life that has ended, in milliseconds. */
  readonly keptForMs: number;
  /** The lives under way here. One whose attempt is lost, or suspended by the server, is gone without coming to its end. */
  readonly lives: Set<PlacedLife>;
  publisher(life: ToldLife, before: () => readonly SideEvent[]): EventPublisher;
  place(life: PlacedLife, task: StepTask, input: unknown, callbacks: CallCallbacks): Placed;
}

/** The life that a step is called in. */
export interface PlacedLife {
  readonly context: WorkflowContext;
  readonly run: RunIdentity;
  readonly key: string;
  readonly secret: string;
  /** What is done about what is on record of another input or agent. */
  readonly onMismatch: StartRequest['onMismatch'];
  known(): StepTable;
  /** What earlier lives have left of the steps that the function of this one had asked for. */
  below(path: string): readonly StepResult[];
  readonly publisher: EventPublisher;
  /** Calls of functions that are under way here. */
  readonly underWay: Set<InProcessCall>;
  /** Whether the connection to the server is lost: what is called now would be called beside what another worker does. */
  isLost(): boolean;
  /** Cancels an invocation that nobody waits for any more. */
  abandon(id: Promise<InvocationId>): void;
}

/**
 * Carries out one life of a run inside a handler. Everything the interpreter asks for is a durable operation, and their
 * answers come back through one race, in the order of the journal; so a replay does the same again, step by step.
 *
 * Events are a function of the journal. They are told in batches as durable promises `ev:<index>`, the last of them with
 * the result; those that are held back for longer than a batch are told early, beside the journal.
 *
 * @param seal - Ends what is told beside the journal, and gives it.
 */
export async function handleRun(
  context: WorkflowContext,
  worker: Worker,
  request: StartRequest,
  before: Before | undefined,
  seal: () => Promise<SealedParts>,
): Promise<LifeEnd> {
  const isTooEarly = request.life === 1 && isIdOfLater(request.runId, request.at, worker.keptForMs);
  const opening = isTooEarly
    ? refusedId(request.runId, worker.keptForMs)
    : openLife(worker.agent, request, before);
  if ('refused' in opening) {
    const { refused, saved } = opening;
    const result: LifeResult = { status: 'FAILED', from: 0, events: [], parts: 0, refused };
    const nothing = { read: 0, isCancelAsked: false, goesOn: false, isAsleep: false };
    const answers = before?.answers ?? [];
    const reason = { at: request.at, why: refused.message };
    return {
      result,
      ...(saved !== undefined && { rest: { state: saved, answers, ...nothing, refused: reason } }),
    };
  }
  return new RunHandler(context, worker, request, before, opening).handle(seal);
}

/** An id that would be taken for a new one when the server has forgotten the first life of its run. */
function refusedId(runId: string, keptForMs: number): RefusedLife {
  const error = new InvalidArgumentError(
    `Cannot begin run "${runId}": its id is a ULID of a time that is more than ${keptForMs} ms from now`,
    'give it another id, or leave it out',
  );
  return { refused: toFailure(error) };
}

/** State of a life: followers have been told how the run has ended, and the life is not over yet. Nobody can cancel the run any more. */
export const RUN_ENDED = 'run ended';

/** How a life has ended, and what it leaves behind for the next one. */
export interface LifeEnd {
  readonly result: LifeResult;
  /** Absent when the run has completed. */
  readonly rest?: Rest;
}

/** One life under way in this process. A class, because its events, its calls and its timer share what they know. */
class RunHandler implements PlacedLife {
  readonly context: WorkflowContext;
  readonly run: RunIdentity;
  readonly key: string;
  readonly secret: string;
  readonly onMismatch: StartRequest['onMismatch'];
  readonly publisher: EventPublisher;
  readonly underWay = new Set<InProcessCall>();
  readonly #worker: Worker;
  readonly #lost: AbortSignal;
  readonly #engine: DurableEngine;
  readonly #batcher: EventBatcher;
  readonly #interpreter: StepExecutor;
  readonly #isCancelled: boolean;
  readonly #isLeft: boolean;
  readonly #reason: string | undefined;
  #lastFlush: number;
  #previewed = 0;
  #drainMs = DRAIN_MS;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #isUndoing = false;
  #isAsleep = false;
  #isCancelledAtEnd = false;

  constructor(
    context: WorkflowContext,
    worker: Worker,
    request: StartRequest,
    before: Before | undefined,
    { state, event, input, isResumed, warning }: OpenedLife,
  ) {
    this.context = context;
    const { runId, incarnation } = state;
    this.run = { runId, ...(incarnation !== undefined && { incarnation }) };
    this.key = context.key;
    this.secret = request.secret ?? '';
    this.onMismatch = request.onMismatch;
    this.#worker = worker;
    this.#lost = context.request().attemptCompletedSignal;
    this.#isCancelled = request.isCancelled === true;
    this.#isLeft = request.isLeft === true;
    this.#reason = request.reason;
    this.#lastFlush = request.at;
    this.publisher = worker.publisher({ key: context.key, secret: this.secret }, () => this.#previews());
    this.#engine = new DurableEngine({
      context,
      state,
      at: Math.max(request.at, state.endedAt ?? 0),
      answers: before?.answers ?? [],
      cache: worker.cache,
      place: (task, value, callbacks) => worker.place(this, task, value, callbacks),
      hasMany: () => {
        this.#drain();
      },
    });
    this.#batcher = eventBatcher(this.#engine.events);
    this.#engine.record(event, () => undefined);
    if (warning !== undefined) this.#engine.tell(warning);
    this.#interpreter = new StepExecutor({
      runId: request.runId,
      agent: worker.agent,
      input,
      engine: this.#engine,
      known: isResumed ? this.#engine.steps() : undefined,
      seq: event.seq,
      revision: state.revision,
      onMismatch: request.onMismatch,
      maxCrashes: Infinity,
      ended: () => {
        this.#isOver = true;
      },
    });
  }

  isLost(): boolean {
    return this.#lost.aborted;
  }

  known(): StepTable {
    return this.#engine.steps();
  }

  below(path: string): readonly StepResult[] {
    return this.#engine.stepsBelow(path);
  }

  abandon(id: Promise<InvocationId>): void {
    this.#engine.abandon(id);
  }

  async handle(seal: () => Promise<SealedParts>): Promise<LifeEnd> {
    this.#lost.addEventListener('abort', () => {
      this.#leave();
      // When the server is lost, it asks another worker: what still runs here must not go on beside that.
      for (const call of this.underWay) call.abandon();
    });
    if (this.#isLeft) this.#stop();
    else if (this.#isCancelled) this.#undo(this.#reason);
    else this.#interpreter.begin();
    this.#worker.lives.add(this);
    try {
      while (!this.#isOver) await this.#turn();
    } finally {
      this.#leave();
    }
    this.#isCancelledAtEnd = await this.#engine.cancelAbandoned();
    return this.#end(seal);
  }

  /** Waits for the next answer of the journal, and lets the interpreter react to it. */
  async #turn(): Promise<void> {
    const engine = this.#engine;
    if (this.#fallsAsleep()) return;
    const isDue = engine.clock() - this.#lastFlush >= FLUSH_MS || this.#batcher.bytes() > BATCH_BYTES;
    if (isDue) this.#flush();
    if (engine.events.length > Math.max(this.#previewed, this.#batcher.from())) {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.publisher.preview();
      }, previewAfter(this.#worker.lives.size));
    }
    if (await engine.turn()) return;
    // Undoing is one sequence that nothing tears down: it ends as whoever cancels or leaves now wants it.
    if (this.#isUndoing) return;
    // Cancelled: whoever asked for the end wants sagas undone.
    const asked = await cancelAsked(this.context);
    if (asked !== undefined) {
      this.#undo(reasonOf(asked));
      return;
    }
    this.#stop();
  }

  /** Ends the life where nothing can happen for long: the server carries out only so many at once. The next one begins in time. */
  #fallsAsleep(): boolean {
    if (!this.#engine.isAsleepFor(this.#worker.longSleepMs)) return false;
    this.#interpreter.drain();
    this.#isAsleep = this.#isOver;
    this.#interpreter.stopDraining();
    return this.#isAsleep;
  }

  #stop(): void {
    const cancelled = this.#interpreter.stop();
    if (cancelled !== undefined) this.#engine.note(cancelled);
    this.#isOver = true;
  }

  #undo(reason: string | undefined): void {
    this.#isUndoing = true;
    this.#interpreter.cancel(reason, (cancelled) => {
      this.#engine.note(cancelled);
      this.#isOver = true;
    });
  }

  /**
   * Lets another life go on once what is under way here has ended. What takes longer is not waited for: others go on beside it in
   * this life.
   */
  #drain(): void {
    const drainMs = this.#drainMs;
    this.#drainMs *= 2;
    this.#interpreter.drain();
    this.#engine.pause(drainMs, () => {
      this.#interpreter.stopDraining();
    });
  }

  /** Tells in durable promises what has been held back. */
  #flush(): void {
    while (this.#batcher.from() < this.#engine.events.length) {
      const position = this.#batcher.from();
      const told = this.#batcher.take().map((event, offset) => this.#tellLarge(event, position + offset));
      void this.context.promise<readonly (WireEvent | LargeEvent)[]>(`ev:${position}`).resolve(told);
      this.#lastFlush = this.#engine.clock();
    }
  }

  /** An event as one of a batch; one that no message carries is told beside it, in pieces. */
  #tellLarge(event: RunEvent, position: number): WireEvent | LargeEvent {
    const slim = slimEvent(event);
    if (!isLarge(event)) return slim;
    const pieces = piecesOf(JSON.stringify(slim));
    for (const [index, piece] of pieces.entries())
      void this.context.promise<string>(pieceName(position, index)).resolve(piece);
    return { type: 'large', texts: pieces.length };
  }

  /** What is told early of events that are held back. */
  #previews(): readonly SideEvent[] {
    const { events } = this.#engine;
    const from = Math.max(this.#previewed, this.#batcher.from());
    this.#previewed = events.length;
    return events
      .slice(from)
      .flatMap((event, offset) => (isLarge(event) ? [] : [{ index: from + offset, event }]));
  }

  /** Nothing is told or called from here on, and others get the room in what is limited. */
  #leave(): void {
    this.#worker.lives.delete(this);
    clearTimeout(this.#timer);
    this.publisher.close();
    this.#engine.leave();
  }

  async #end(seal: () => Promise<SealedParts>): Promise<LifeEnd> {
    const engine = this.#engine;
    const last = engine.events.at(-1);
    const isCompleted = last?.type === 'run.completed';
    // Sealed before the last events are told, so that followers read every batch first and know what the next life knows. `engine.told()`
    // misses batches of calls that were stopped.
    const sealed = isCompleted || !engine.mayHaveNested() ? undefined : await seal();
    if (this.#batcher.from() > 0 || this.#batcher.bytes() > BATCH_BYTES) {
      if (last?.type !== 'run.suspended') this.context.set(RUN_ENDED, true);
      this.#flush();
    }
    // Lists read the end here, also where followers have been told before.
    const isShown = last !== undefined && !isCompleted && !isLarge(last);
    const from = Math.min(this.#batcher.from(), engine.events.length - (isShown ? 1 : 0));
    const told = {
      from,
      events: engine.events.slice(from).map(slimEvent),
      parts: sealed?.batches ?? engine.told(),
    };
    if (isCompleted) return { result: { status: 'COMPLETED', ...told } };
    const goesOn = last?.type === 'run.suspended' && last.reason === 'drain';
    const state = engine.stateWith(sealed?.nested ?? []);
    const asked = await cancelAsked(this.context, () => {
      this.#isCancelledAtEnd = true;
    });
    const cancelReason = reasonOf(asked);
    const rest = {
      state,
      answers: engine.unused(),
      read: engine.read(),
      isCancelAsked: asked !== undefined,
      isCancelled: this.#isCancelledAtEnd,
      ...(cancelReason !== undefined && { cancelReason }),
      goesOn,
      isAsleep: this.#isAsleep,
    };
    return { result: { status: state.status, ...told, ...(goesOn && { goesOn }) }, rest };
  }
}

/** The more lives a worker carries out, the longer each turn takes, and the less often one is told early. */
function previewAfter(lives: number): number {
  return Math.min(LONGEST_WATCH_MS, WATCH_MS * Math.max(1, Math.ceil(lives / 4)));
}
