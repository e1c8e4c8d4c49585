import type { Observable } from 'rxjs';

import { validate } from '../../codec/validate';
import { notAnAgent, yesOrNo } from '../../definition/checks';
import type { Definition, StepIds, StructureDefinition } from '../../definition/definition';
import { definitionOf, encodedOutput, isContainer, isStructure } from '../../definition/definition';
import type { Answer, Decided, StepRequest, Undoable } from '../../definition/scope';
import { givenByOf } from '../../definition/scope';
import { CompensationError, someOf } from '../../errors/runErrors';
import { PoisonStepError, StepTimeoutError } from '../../errors/stepErrors';
import type { Agent } from '../../model/agentType';
import type { LogLevel, RunEvent, StepSkipped } from '../../model/event';
import { BAILED, bailIn, hasBailed } from '../../model/bail';
import type { GivenBy } from '../../model/givenBy';
import type { Failure } from '../../model/failure';
import { InvalidArgumentError, toFailure } from '../../model/failure';
import { isWithinFact, openOrigins } from '../../model/openFailures';
import { isBelow, pathsAbove } from '../../model/stepPath';
import type { StepResult } from '../../model/stepResult';
import { withStored } from '../../model/state';
import type { StepTable } from '../../model/stepTable';
import type { FeedReading } from '../../streams/liveFeed';
import { feedReadings } from '../../streams/liveFeed';
import { reportedUsage } from '../../model/usage';
import type { Stop } from '../../streams/pull';
import type { CallCallbacks, Engine, KeyFailed, KnownAnswer } from '../engine';
import type { StepTask } from '../task';
import { isRunning, newTask, pathOfPart } from '../task';
import { failedUndoing } from '../undone';
import { Cancellation, hasSaga, unfinishedSagas } from './cancellation';
import { ContextSteps } from './contextSteps';
import { EventFactory } from './eventFactory';
import { forgetFailures, noteFailure, openBelow } from './failedBelow';
import { Isolation, suspectsAmong } from './isolation';
import { Permits } from './permits';
import type { CompletedAnswer } from './priorSteps';
import { completedAnswer, idsOfSaved, misfit, PriorSteps, savedAnswer } from './priorSteps';
import type { RetryDecision } from './retryDecision';
import { asksUser, retryDecision } from './retryDecision';
import type { StepMachine } from './stepMachine';
import { SharedStates } from './sharedStates';
import { LAST_MOMENT_OF_DATE } from './suspend';
import { StructureScope } from './structureScope';
import type { QueueOwner } from './workQueue';
import { WorkQueue } from './workQueue';

/** What is carried out, and where. */
export interface Execution {
  readonly runId: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  /** Which ids the parts of composites have in this run; their own when left out. */
  readonly ids?: StepIds;
  readonly engine: Engine;
  /** What earlier lives have left behind. */
  readonly known: StepTable | undefined;
  /** Number of the latest journaled event. */
  readonly seq: number;
  /** The revision of steps of which nothing is known. */
  readonly revision?: number | undefined;
  /** Whether what is on record of another input or agent is dropped where it comes to light; refused when left out. */
  readonly onMismatch?: 'refuse' | 'actual';
  /** How often the process may die inside a step, with none beside it, before the step counts as failed. */
  readonly maxCrashes: number;
  /** Whether what steps are given is on record. */
  readonly recordInputs?: boolean;
  /** Called once, after the event that ends the life was told. `cause` is what was thrown, if it failed. */
  readonly ended: (cause?: unknown) => void;
}

/**
 * Carries out a run as a synchronous machine: it keeps no timers and no promises, asks the engine, and reacts to the
 * answers one at a time, from a queue, so that neither a long chain nor a wide graph deepens the stack.
 *
 * A step that an earlier life has finished is answered from there. Any other is called under its policy, its result is
 * recorded, and only once the record is as durable as the engine promises does it go on to whoever waits for it.
 *
 * The way of a step: `startStep` -> `#beginStep` (is it wanted?) -> `#recall` (is it cached?) -> `#attempt` (is there room?)
 * -> `#callStep` -> `completeStep` or `failStep` (again?) -> `#answer`.
 */
export class StepExecutor implements StepMachine, QueueOwner {
  readonly engine: Engine;
  readonly events: EventFactory;
  readonly queue: WorkQueue;
  readonly prior: PriorSteps;
  readonly permits: Permits;
  readonly suspended = new Set<StepTask>();
  /** Steps that are SUSPENDED on record and that nobody has asked for again, each with its agent. */
  #leftOpen: Map<string, string> | undefined;
  /** Those among them that somebody has waited for in this life. */
  #left: Set<string> | undefined;
  readonly #execution: Execution;
  /** What was run: a single agent is not its own root. */
  readonly #definition: Definition;
  readonly #root: StepTask;
  readonly #cancellation: Cancellation;
  readonly #contextSteps: ContextSteps;
  readonly #isolation: Isolation | undefined;
  readonly #shared: SharedStates;
  #calls: CallCallbacks | undefined;
  /** Functions that read streams of steps under way. */
  #readers: Map<StepTask, readonly FeedReading[]> | undefined;
  /** Steps that wait for the same call of another step of this run. */
  #sharing: Set<StepTask> | undefined;
  /** Failures of sagas: a run that fails with one fails again when it is resumed. */
  #finalFailures: WeakSet<Failure> | undefined;
  /** While the run is drained: the functions under way, and all steps that have ended and whose result is not handed on yet. */
  readonly #inFlight = new Set<StepTask>();
  /** Steps with sagas in them that an earlier life has begun, and that this one has not: they wait for room or for a decision. */
  #toBegin: Set<StepTask> | undefined;
  /** Begins to undo for a run that is cancelled, once what was on record is taken up. */
  #goBack: (() => void) | undefined;
  #isDraining = false;
  /** Steps that would have been called while the run is drained. */
  #held: StepTask[] | undefined;
  #isResting = false;
  #restsGoingBack = false;
  /** Why functions are not answered any more, when it is not their own step that ended. */
  #whyOver: string | undefined;
  #stopSettling: Stop | undefined;
  #hasBegun = false;
  #isOver = false;

  constructor(execution: Execution) {
    const { runId, agent, input, engine, known, seq } = execution;
    this.#execution = execution;
    this.engine = engine;
    this.events = new EventFactory(runId, engine, seq, execution.recordInputs);
    this.queue = new WorkQueue(this);
    this.prior = new PriorSteps(engine, known);
    this.permits = new Permits(engine, this.queue);
    this.#cancellation = new Cancellation(this.queue);
    this.#contextSteps = new ContextSteps(this);
    this.#shared = new SharedStates(engine);
    const suspects =
      known === undefined || execution.maxCrashes === Infinity ? undefined : suspectsAmong(known);
    if (suspects !== undefined)
      this.#isolation = new Isolation(
        suspects,
        this.queue,
        (task) => this.#isWaitingReader(task),
        (delayMs, wake) => engine.sleep('', delayMs, wake),
      );
    this.#definition = definitionOf(agent) as Definition;
    const root = isContainer(this.#definition) ? this.#definition : singleStepWorkflow(agent);
    // A single agent is carried out under its policy as the step that it is.
    const policy = root === this.#definition ? root.policy : {};
    this.#root = newTask(undefined, '', root, policy, input, ignore);
    if (execution.ids !== undefined) this.#root.ids = execution.ids;
    for (const row of known ?? []) {
      if (row.status === 'SUSPENDED') (this.#leftOpen ??= new Map()).set(row.stepId, row.agent);
      this.#cancellation.recall(row, known as StepTable);
    }
  }

  /** Whether the life has ended. */
  get isOver(): boolean {
    return this.#isOver;
  }

  begin(): void {
    this.queue.enqueue(() => {
      this.queue.setActive(this.#root, true);
      this.#recall(this.#root);
    });
  }

  /** Undoes what sagas have to undo and then stops. `stopped` gets the event that tells so. */
  cancel(reason: string | undefined, stopped: (event: RunEvent) => void): void {
    // What has to be undone begins steps.
    this.#isDraining = false;
    const finish = (): void => {
      const event = this.stop(reason, this.#undoingFailure(reason));
      if (event !== undefined) stopped(event);
    };
    const goBack = (): void => {
      for (const task of this.#toBegin ?? []) this.cancelStep(task);
      if (!this.#cancellation.begin(this.#root, finish)) finish();
    };
    if (!hasSaga(this.#definition)) {
      goBack();
      return;
    }
    this.#cancellation.holdAll();
    // Undoing needs neither room nor an answer from the cache.
    if (!this.#hasBegun) this.permits.release(this.#root);
    // A life that is taking up what is on record does not know all of its sagas yet.
    this.#goBack = goBack;
    this.queue.enqueue(() => {
      if (!this.#hasBegun) this.#callRoot();
    });
  }

  /**
   * Calls no further function, and ends the life as suspended once those under way have ended. Nothing happens while a run goes
   * back because it is cancelled.
   */
  drain(): void {
    if (this.#isOver || this.#cancellation.isUnderWay) return;
    this.#isDraining = true;
    this.queue.enqueue(ignore);
  }

  /** Goes on after all where something that is under way takes too long to be waited for. */
  stopDraining(): void {
    if (!this.#isDraining || this.#isOver) return;
    this.#isDraining = false;
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const task of held) {
      this.queue.enqueue(() => {
        if (task.phase !== 'done') this.#callStep(task);
      });
    }
  }

  /** Ends the life as drained, whatever is under way. False when it goes back because it is cancelled. */
  cutOff(): boolean {
    if (this.#cancellation.isUnderWay) return false;
    if (!this.#isOver) this.#endDrained();
    return true;
  }

  #endDrained(): void {
    this.#whyOver = 'whoever served the run stops; the run goes on later';
    const waiting = [...this.suspended].map(({ path }) => path);
    this.#end(this.events.runSuspended(waiting, 'drain'), undefined);
    this.cancelStep(this.#root);
  }

  /** A function that has asked for steps waits for those that move, or for what does not begin any more. */
  #isDrained(): boolean {
    if (this.#inFlight.size === 0) return true;
    const waiting = new Set(this.#contextSteps.parents());
    return [...this.#inFlight].every((task) => waiting.has(task));
  }

  /** How the step has ended is being written down. */
  #hasEnded(task: StepTask): void {
    task.phase = 'ended';
    this.#inFlight.add(task);
  }

  #landed(task: StepTask): void {
    if (this.#inFlight.delete(task) && this.#isDraining) this.queue.enqueue(ignore);
  }

  /** Stops everything at once. Returns the event that tells so; undefined when the life has ended already. */
  stop(reason?: string, failure?: Failure): RunEvent | undefined {
    if (this.#isOver) return undefined;
    this.#isOver = true;
    this.queue.end();
    this.#isolation?.end();
    this.#stopSettling?.();
    this.#whyOver = reason === undefined ? 'the run was cancelled' : `the run was cancelled: ${reason}`;
    this.cancelStep(this.#root);
    for (const task of this.#cancellation.undoing) this.cancelStep(task);
    // Whoever left when a step began: those above do not know of it yet.
    this.permits.releaseAll();
    return this.events.runCancelled(reason, failure);
  }

  /** The failure that names the first step which a saga could not undo; undefined when all is undone. */
  #undoingFailure(reason = 'the run was cancelled'): Failure | undefined {
    const failed = hasSaga(this.#definition) ? failedUndoing(this.engine.steps()) : undefined;
    if (failed === undefined) return undefined;
    const why: Failure = { name: 'Cancelled', message: reason, retryable: true };
    return new CompensationError(failed.step, failed.failure, why).failure;
  }

  /** Room that nobody uses goes to others, and functions that only wait for what waits do not keep the run from resting. */
  onDrained(): void {
    const goBack = this.#goBack;
    if (goBack !== undefined) {
      this.#goBack = undefined;
      goBack();
      return;
    }
    if (this.#isDraining) {
      if (this.#isDrained()) this.#endDrained();
      return;
    }
    this.#isolation?.admit();
    if (this.suspended.size === 0) return;
    const readers = this.#waitingReaders();
    // Where others still move, a reader may have more to read at once: its room stays its own.
    const isStuck = readers.length > 0 && this.queue.active === readers.length + this.permits.blocked();
    this.permits.lendResting(isStuck ? readers : []);
    if (readers.length > 0 && this.queue.active === readers.length) this.onIdle();
  }

  /**
   * Nothing moves: when somebody waits for an answer, the run rests. DESIGN.md, "When a run rests", has the whole rule.
   *
   * Functions that wait for such a step, or read from one, may have something left to do that takes no time: only then are
   * their calls over. They begin anew in the life after the answer.
   */
  onIdle(): void {
    if (this.suspended.size === 0 && this.#sharing !== undefined) this.#callInTurn(this.#sharing);
    else if (this.#canRest()) this.#restIfIdle();
  }

  #restIfIdle(): void {
    if (this.#isResting || this.#isDraining) return;
    if (this.engine.settle === undefined || !this.#hasWaitingFunctions()) {
      this.#rest();
      return;
    }
    this.#stopSettling?.();
    this.#stopSettling = this.engine.settle(() => {
      this.#stopSettling = undefined;
      this.queue.enqueue(() => {
        if (this.#isIdle()) this.#rest();
      });
    });
  }

  /** A run that only goes back ends when all is undone; it rests only when somebody is asked about that. */
  #canRest(): boolean {
    if (!this.#cancellation.isUnderWay) return this.suspended.size > 0;
    return [...this.suspended].some((task) => this.#cancellation.isWithinUndoing(task));
  }

  readerWaits(): void {
    // The queue looks at once whether the run is idle.
    if ((this.suspended.size > 0 || this.#isolation !== undefined) && !this.#isOver)
      this.queue.enqueue(ignore);
  }

  #isIdle(): boolean {
    return this.suspended.size > 0 && this.queue.active === this.#waitingReaders().length;
  }

  /** The functions that are active only because they read from steps under way, of which they have read all there is. */
  #waitingReaders(): readonly StepTask[] {
    if (this.#readers === undefined) return [];
    return [...this.#readers.keys()].filter((task) => task.isActive && this.#isWaitingReader(task));
  }

  #isWaitingReader(task: StepTask): boolean {
    const open = this.#readers?.get(task)?.filter((reading) => !reading.hasEnded()) ?? [];
    if (open.length === 0) return false;
    // How far a function has read is not in a journal: where a run is replayed, it counts that others are under way.
    return this.engine.settle === undefined || open.every((reading) => reading.isRead());
  }

  #hasWaitingFunctions(): boolean {
    return (this.#readers?.size ?? 0) > 0 || this.#contextSteps.parents().length > 0;
  }

  /** From here on no answer is heard any more: it stays where it is, for the next life. */
  #rest(): void {
    this.#abandon((path) => this.#hasEndedAbove(path));
    // Whoever hears of that may stop the run.
    if (this.#isOver) return;
    const waiting = [...[...this.suspended].map(({ path }) => path), ...this.#openQuestions()];
    const others = someOf(waiting);
    for (const path of new Set(this.engine.unheard?.())) {
      // It is heard once the step asks again.
      if (waiting.includes(path)) continue;
      const message = `No step waits for the answer to "${path}"; these wait: ${others}`;
      this.engine.tell(this.events.logged('', 'WARNING', message));
    }
    if (this.engine.isUnreachable === true) {
      for (const path of waiting)
        this.engine.tell(this.events.logged(path, 'WARNING', `Cannot be answered: the run has ${NO_STORE}`));
    }
    const functions = [...this.#contextSteps.parents(), ...(this.#readers?.keys() ?? [])];
    this.#restsGoingBack = this.#cancellation.isUnderWay;
    if (functions.length === 0) {
      this.#endResting(waiting);
      return;
    }
    this.#isResting = true;
    for (const { stop } of this.suspended) stop?.();
    this.#whyOver = 'the run rests until somebody answers';
    for (const task of functions) this.cancelStep(task);
    if (this.engine.settle === undefined) this.#endResting(waiting);
    // They may go on although they were not answered: the log shall say so.
    else
      this.#stopSettling = this.engine.settle(() => {
        this.#endResting(waiting);
      });
  }

  /** The questions of earlier lives that no step of this one has come to yet, such as items of an `each` that wait for their turn. */
  #openQuestions(): readonly string[] {
    const steps = this.engine.steps();
    return [...(this.#leftOpen?.keys() ?? [])].filter((path) => {
      const { status, asking } = steps.get(path) ?? {};
      return status === 'SUSPENDED' && asking !== undefined;
    });
  }

  #endResting(waiting: readonly string[]): void {
    // A cancel that comes while functions are told has the run.
    if (this.#isOver || this.#cancellation.isUnderWay !== this.#restsGoingBack) return;
    const reason = this.engine.isUnreachable === true ? NO_STORE : undefined;
    this.#end(this.events.runSuspended(waiting, reason), undefined);
    // Deadlines are on record: no timer must keep the process alive for them.
    this.cancelStep(this.#root);
  }

  onError(error: unknown): void {
    if (!this.#isOver) this.failStep(this.#root, error);
  }

  canUndo(task: StepTask, undoable: Undoable): void {
    this.#cancellation.add(task, undoable);
  }

  hasGoneBack({ path }: StepTask): boolean {
    return this.#cancellation.hasGoneBack(path, this.prior);
  }

  isCancelled(): boolean {
    return this.#cancellation.isUnderWay;
  }

  sharedState(task: StepTask): unknown {
    return this.#shared.read(task);
  }

  updateShared(task: StepTask, change: unknown): void {
    this.#shared.update(task, change);
  }

  contextStep<I, O>(parent: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
    return this.#contextSteps.step(parent, id, agent, input);
  }

  startStep(parent: StepTask, request: StepRequest, answer: (answer: Answer) => void): StepTask {
    const definition = definitionOf(request.agent);
    const path = pathOfPart(parent, request.id);
    if (definition === undefined) {
      throw notAnAgent(`run step "${path}"`, request.agent);
    }
    const policy = request.policy ?? definition.policy;
    const task = newTask(parent, path, definition, policy, request.input, answer, request);
    const saved = task.isAnew ? this.#renewed(path) : this.prior.at(path);
    if (saved?.inputHash !== undefined) task.ids = idsOfSaved(task, saved.inputHash);
    if (saved === undefined && this.#execution.revision !== undefined)
      task.revision = this.#execution.revision;
    if (this.prior.isEmpty && isItem(task)) task.place = { position: -1 };
    if (task.isStopped) {
      // What a saga in it asks for has its place in the record, and is looked for there.
      if (request.isStopped === true) this.#recallSagas(task);
      return task;
    }
    if (request.undoes !== undefined) {
      this.#cancellation.markUndoing(task);
      if (saved?.status !== 'COMPLETED') this.#forgetAnswers(request.undoes);
    }
    this.queue.setActive(task, true);
    this.#leftOpen?.delete(path);
    if (saved !== undefined && this.#takeUp(task, saved)) return task;
    if (this.#cancellation.holdsBack(task)) {
      this.queue.setActive(task, false);
      return task;
    }
    if (saved !== undefined && saved.attempts > 0 && hasSaga(definition))
      (this.#toBegin ??= new Set()).add(task);
    if (request.problem !== undefined) this.#giveUp(task, request.problem.error);
    else this.#beginStep(task);
    return task;
  }

  #renewed(path: string): StepResult | undefined {
    this.prior.renew();
    return this.prior.at(path);
  }

  /** What a step has done is being undone: neither its answer nor what was made of it below others may be used any more. */
  #forgetAnswers({ stepId, revision = 0 }: StepResult): void {
    const { engine } = this;
    if (engine.forget === undefined) return;
    engine.forget(stepId, revision);
    const steps = engine.steps();
    for (const above of pathsAbove(stepId, steps)) {
      const row = steps.get(above);
      if (row !== undefined) engine.forget(row.stepId, row.revision ?? 0);
    }
  }

  /**
   * Brings forth the sagas at and below a step that an earlier life has left unfinished, and nothing else of it. At once: whoever ends
   * the step asks next whether there is anything to undo.
   */
  #recallSagas(stopped: StepTask): void {
    for (const saga of unfinishedSagas(stopped, this.prior)) this.#beginStructure(saga, saga.input);
  }

  /**
   * A step ends before this life has begun it: what sagas in it have done in an earlier one has to be found, for whoever wants it
   * undone. Gives the step that they are found below.
   */
  #standIn(task: StepTask): StepTask {
    if (this.#toBegin?.delete(task) !== true || this.#isOver || this.#isResting) return task;
    const { parent, path, definition, policy, input } = task;
    const stopped = newTask(parent, path, definition, policy, input, ignore, { isStopped: true });
    this.#recallSagas(stopped);
    return stopped;
  }

  /** Takes up what is known of a step. True when there is nothing left to begin. */
  #takeUp(task: StepTask, saved: StepResult): boolean {
    task.attempt = saved.attempts;
    if (saved.revision !== undefined) task.revision = saved.revision;
    const problem = misfit(this.engine, task, saved);
    if (problem !== undefined && this.#execution.onMismatch === 'actual') {
      this.#supersede(task, saved, problem);
      return false;
    }
    const answer: Answer | undefined =
      problem === undefined
        ? savedAnswer(task, saved)
        : { kind: 'failed', failure: toFailure(problem, task.path), cause: problem };
    if (answer !== undefined) {
      if (answer.kind === 'failed') noteFailure(task, true);
      this.#answer(task, answer);
      return true;
    }
    if (saved.status === 'SUSPENDED') {
      task.startedAt = this.engine.elapsed();
      task.tries = 1;
      this.#limitAttempt(task);
      if (this.#isPastLimit(task)) return true;
      this.#limitTime(task);
      this.#beginStructure(task, task.input);
      return true;
    }
    const crashes = saved.crashedAlone ?? 0;
    if (
      crashes === 0 ||
      crashes < this.#execution.maxCrashes ||
      isStructure(task.definition) ||
      this.prior.hasStepsBelow(task.path)
    )
      return false;
    this.#giveUp(task, new PoisonStepError(task.path, crashes));
    return true;
  }

  /** What is on record of the step and below it is dropped when it begins; it is called as if it had never been. */
  #supersede(task: StepTask, saved: StepResult, { message }: Error): void {
    task.attempt = 0;
    // As the record will count it, so that no key is used again.
    task.revision = (saved.revision ?? 0) + (saved.attempts > 0 ? 1 : 0);
    task.supersedes = [task.path, ...this.prior.begunBelow(task.path)];
    const { length } = task.supersedes;
    const dropped = `${String(length)} saved ${length === 1 ? 'step is' : 'steps are'} dropped`;
    this.engine.tell(
      this.events.logged(task.path, 'WARNING', `${message}; it is carried out anew, ${dropped}`),
    );
  }

  /** Carries the step out, unless it is not wanted or its answer can be had without. */
  #beginStep(task: StepTask): void {
    const { when } = task.policy;
    if (when === undefined || task.attempt > 0) {
      this.#recall(task);
      return;
    }
    const isWanted = (): boolean => yesOrNo(when(task.input as never), `when of step "${task.path}"`);
    this.#memoDecision(task, 'when', isWanted, (decided) => {
      if (!decided.ok) this.#giveUp(task, decided.error);
      else if (decided.value) this.#recall(task);
      else this.#skip(task);
    });
  }

  /** Takes the answer of an earlier call, where the policy wants that and there is one; otherwise makes an attempt. */
  #recall(task: StepTask): void {
    if (task.policy.cache === undefined || this.engine.recall === undefined || this.#hasWorkOfSagas(task)) {
      this.#attempt(task);
      return;
    }
    const looksSince = this.engine.elapsed();
    const { attempt } = task;
    const goOn = (known: KnownAnswer | undefined, failed: KeyFailed | undefined): void => {
      if (task.phase === 'done' || task.attempt !== attempt) return;
      if (failed !== undefined) this.#giveUp(task, failed.error);
      else if (known === undefined || !this.#takeRecalled(task, known, looksSince)) this.#attempt(task);
    };
    try {
      task.leaveCall = this.engine.recall(task, {
        answer: (known, failed) => {
          this.queue.enqueue(() => {
            this.#sharing?.delete(task);
            if (task.phase === 'done') return;
            this.queue.setActive(task, true);
            this.permits.resumeBelow(task, () => {
              goOn(known, failed);
            });
          });
        },
        waits: (isWithinRun) => {
          this.#waitsForCall(task, isWithinRun);
        },
      });
    } catch (error) {
      this.#giveUp(task, error);
    }
  }

  /** Sagas in it have something to complete, or to undo, which an answer of somebody else's does not do. */
  #hasWorkOfSagas({ definition, path }: StepTask): boolean {
    return hasSaga(definition) && this.prior.hasBegunBelow(path);
  }

  /** Whoever waits for a step of the same run moves as much as that one does. */
  #waitsForCall(task: StepTask, isWithinRun: boolean): void {
    this.queue.enqueue(() => {
      if (task.phase === 'done') return;
      if (isWithinRun) (this.#sharing ??= new Set()).add(task);
      else this.#sharing?.delete(task);
      this.queue.setActive(task, !isWithinRun);
    });
  }

  /** Steps that wait for one another's calls would do so for ever: each calls for itself. */
  #callInTurn(sharing: Set<StepTask>): void {
    for (const task of [...sharing]) {
      sharing.delete(task);
      this.#leaveCall(task, false);
      this.queue.setActive(task, true);
      this.queue.enqueue(() => {
        if (task.phase !== 'done') this.#attempt(task);
      });
    }
  }

  /** Others may wait for its call. */
  #leaveCall(task: StepTask, hasFailed: boolean): void {
    const { leaveCall } = task;
    task.leaveCall = undefined;
    leaveCall?.(hasFailed);
  }

  /** False when the agent's codec cannot read the answer, or it ends what is around the step and nothing is. */
  #takeRecalled(task: StepTask, known: KnownAnswer, since: number): boolean {
    if (hasBailed(known.givenBy) && !this.#canBail(task)) return false;
    let answer: CompletedAnswer;
    try {
      answer = completedAnswer(task.definition, known);
    } catch {
      return false;
    }
    if (task === this.#root) {
      const message = 'The answer of an earlier run is taken from the cache';
      this.engine.tell(this.events.logged('', 'INFO', message));
      if (!this.#isOver) this.#completeRun(answer, known, false);
      return true;
    }
    this.#toBegin?.delete(task);
    this.#beginAttempt(task);
    task.startedAt = since;
    if (this.#isOver || !isRunning(task)) return true;
    task.watch?.started();
    for (const value of known.kept ?? []) void task.watch?.partial(value);
    this.#hasEnded(task);
    this.engine.record(this.events.recalled(task, known), () => {
      this.#answer(task, answer);
    });
    return true;
  }

  /** Makes one attempt, once there is room for it. */
  #attempt(task: StepTask): void {
    const { limit } = task.policy;
    if (this.#isOver || this.#isHeldBack(task, false)) return;
    if (limit === undefined) {
      this.#callStep(task);
      return;
    }
    const room: { isThere: boolean } = { isThere: false };
    try {
      this.permits.acquire(task, limit, (failed) => {
        room.isThere = true;
        if (failed !== undefined) this.#giveUp(task, failed.error);
        // Who waits for its turn must not have the room that another one needs to end.
        else if (this.#isHeldBack(task, true)) this.permits.release(task);
        else this.#callStep(task);
      });
      if (!room.isThere) this.#isolation?.leave(task);
    } catch (error) {
      this.#giveUp(task, error);
    }
  }

  /** Whether a call has to wait until nothing else is under way, because one of them kills the process. */
  #isHeldBack(task: StepTask, isDue: boolean): boolean {
    if (this.#isolation === undefined || isStructure(task.definition)) return false;
    return this.#isolation.holdsBack(task, isDue, () => {
      this.#attempt(task);
    });
  }

  /** @param recorded - Called once it is on record that the attempt begins, for who must not go on before. */
  #beginAttempt(task: StepTask, recorded?: () => void): void {
    if (task.tries === 0) task.startedAt = this.engine.elapsed();
    task.attempt += 1;
    task.tries += 1;
    task.partials = 0;
    task.hasReported = false;
    task.kept = task.policy.keepPartials === true ? [] : undefined;
    task.nestedIds = undefined;
    task.failedBelow = undefined;
    task.heardFailures = undefined;
    task.updates = undefined;
    task.phase = 'running';
    const dropped =
      task.supersedes ?? (task.isAnew && task.tries === 1 ? this.prior.begunBelow(task.path) : []);
    task.supersedes = undefined;
    this.#leftOpen?.delete(task.path);
    const started = this.events.started(task, dropped, {
      limitAt: this.#limitAttempt(task),
      isAlone: this.#isolation?.isAlone(task),
      joined: isStructure(task.definition) ? undefined : this.#isolation?.joined(),
      shared: this.#beginsToShare(task, dropped),
    });
    if (recorded === undefined) this.engine.note(started, task.place);
    else this.engine.record(started, recorded, undefined, task.place);
    if (dropped.length === 0) return;
    this.prior.renew();
    this.#shared.renew();
  }

  /** What the steps of a composite share as it begins, where that is not on record. */
  #beginsToShare({ path, definition, tries }: StepTask, dropped: readonly string[]): unknown {
    if (!isStructure(definition) || definition.shared === undefined || tries > 1) return undefined;
    const isKnown = this.prior.at(path)?.shared !== undefined && !dropped.includes(path);
    return isKnown ? undefined : definition.shared.initial;
  }

  /** The root of a run is no step: its attempts are not on record, but that one of them failed is. */
  #callRoot(): void {
    const root = this.#root;
    // A run that is being cancelled only goes back.
    if (this.#hasBegun && this.#cancellation.isUnderWay) return;
    this.#hasBegun = true;
    root.attempt += 1;
    root.tries += 1;
    root.failedBelow = undefined;
    root.phase = 'running';
    try {
      const { input: codec } = root.definition;
      const what = `input of "${this.#definition.name}"`;
      const accepted = codec === undefined ? root.input : validate(codec, root.input, what);
      this.#limitAttempt(root);
      this.#limitTime(root);
      this.#beginStructure(root, accepted);
    } catch (error) {
      this.failStep(root, error);
    }
  }

  #callStep(task: StepTask): void {
    if (task === this.#root) {
      this.#callRoot();
      return;
    }
    const isFunction = !isStructure(task.definition);
    if (this.#isDraining && isFunction) {
      // It is called in the next life.
      (this.#held ??= []).push(task);
      return;
    }
    if (task.undoes === undefined) {
      this.#beginAttempt(task);
      this.#callBegun(task);
      return;
    }
    // That the saga goes back is on record before anything is undone: the next life must not go forth with what is gone.
    this.#beginAttempt(task, () => {
      this.queue.enqueue(() => {
        this.#callBegun(task);
      });
    });
  }

  #callBegun(task: StepTask): void {
    // Whoever heard that it starts may have stopped it, or the run.
    if (!isRunning(task) || this.#isOver || this.#isPastLimit(task)) return;
    try {
      task.watch?.started();
      const { input: codec } = task.definition;
      const accepted =
        codec === undefined ? task.input : validate(codec, task.input, `input of step "${task.path}"`);
      if (isStructure(task.definition)) {
        this.#limitTime(task);
        this.#beginStructure(task, accepted);
        return;
      }
      this.#inFlight.add(task);
      if (task.isReader) this.#watchReading(task, accepted);
      const stop = this.engine.call(task, accepted, (this.#calls ??= new Calls(this)));
      if (isRunning(task)) task.stop = stop;
      else stop?.();
    } catch (error) {
      this.failStep(task, error);
    }
  }

  #watchReading(task: StepTask, input: unknown): void {
    const readings = feedReadings(input);
    if (readings.length > 0) (this.#readers ??= new Map()).set(task, readings);
  }

  /**
   * Sets how long the attempt may take. Gives the end of that limit when something in the attempt waits on record already; a question
   * that is asked later puts it on record itself.
   */
  #limitAttempt(task: StepTask): number | undefined {
    const { timeoutMs } = task.policy;
    // The time of a function is its own: what it waits for does not count.
    if (timeoutMs === undefined || !isStructure(task.definition)) return undefined;
    const { kind, policy } = task.definition;
    // An approval's own one is the deadline of its question.
    if (kind === 'approval' && timeoutMs === policy.timeoutMs) return undefined;
    const now = this.engine.now();
    const before = task.tries === 1 && !task.isAnew ? this.prior.limitAt(task.path) : undefined;
    task.limitAt = before ?? Math.min(LAST_MOMENT_OF_DATE, now + timeoutMs);
    // Never longer than was asked for, also when the clock has been set back since.
    task.limitMs = before === undefined ? timeoutMs : Math.max(0, Math.min(timeoutMs, before - now));
    return before ?? (!task.isAnew && this.prior.isWaitedIn(task.path) ? task.limitAt : undefined);
  }

  /** Fails an attempt whose time was over before this life began: what waits within it is not heard any more. */
  #isPastLimit(task: StepTask): boolean {
    const { timeoutMs = 0 } = task.policy;
    if (task.limitMs !== 0 || timeoutMs === 0) return false;
    this.failStep(task, new StepTimeoutError(task.path, timeoutMs, 'timeoutMs'));
    return true;
  }

  /** An agent's function is timed where it is called; a structure here. */
  #limitTime(task: StepTask): void {
    const { timeoutMs } = task.policy;
    const { attempt: timed, limitMs } = task;
    if (timeoutMs === undefined || limitMs === undefined) return;
    task.stop = this.engine.sleep(task.path, limitMs, () => {
      this.queue.enqueue(() => {
        if (task.attempt !== timed || (task.phase !== 'running' && task.phase !== 'suspended')) return;
        // It has failed already.
        if (this.#cancellation.isUndoing(task)) return;
        const what = task === this.#root ? task.definition.name : task.path;
        this.failStep(task, new StepTimeoutError(what, timeoutMs, 'timeoutMs'));
      });
    });
  }

  /** What a structure runs is counted by its steps: the structure itself moves nothing meanwhile. */
  #beginStructure(task: StepTask, accepted: unknown): void {
    this.queue.setActive(task, false);
    // Not earlier: when an attempt fails before this, the sagas in it have still to be found and undone.
    this.#toBegin?.delete(task);
    try {
      const scope = new StructureScope(this, task);
      const stop = (task.definition as StructureDefinition).begin(accepted, scope);
      if (task.phase === 'running' || task.phase === 'suspended') task.stop = both(stop, task.stop);
      else stop();
      // Whoever heard of what began within has ended the run: whatever is above could not stop what it had not been given yet.
      if (this.#isOver) task.stop?.();
    } catch (error) {
      this.failStep(task, error);
    }
  }

  takePartial(task: StepTask, given: unknown): void | Promise<void> {
    const index = task.partials;
    task.partials += 1;
    let value = given;
    if (task.kept !== undefined) {
      try {
        value = this.engine.keep(given, task.path);
      } catch (error) {
        const { stop } = task;
        this.failStep(task, error);
        stop?.();
        return;
      }
      task.kept.push(value);
    }
    const usage = reportedUsage(value);
    if (usage !== undefined) {
      task.hasReported = true;
      this.events.report(usage);
    }
    this.engine.tell(this.events.emitted(task, index, value));
    const taken = isRunning(task) ? task.watch?.partial(value) : undefined;
    const wanted = this.engine.demand?.();
    return taken === undefined || wanted === undefined ? (taken ?? wanted) : taken.then(() => wanted);
  }

  completeStep(task: StepTask, given: unknown, givenBy?: GivenBy): void {
    const early = bailIn(given);
    if (early === undefined) this.#completeWith(task, given, givenBy);
    else if (this.#canBail(task)) this.#completeWith(task, early.value, BAILED);
    else {
      const what = task.path === '' ? this.#definition.name : task.path;
      this.failStep(
        task,
        new InvalidArgumentError(
          `Cannot bail at step "${what}": no chain or workflow is around it`,
          'put it into one, or give the value as it is',
        ),
      );
    }
  }

  /** Whether what is around the step can be ended by it, or passes that on. */
  #canBail({ parent }: StepTask): boolean {
    if (parent === undefined || parent.definition.kind === 'each') return false;
    return parent !== this.#root || parent.definition === this.#definition;
  }

  #completeWith(task: StepTask, output: unknown, givenBy: GivenBy | undefined): void {
    const isRoot = task === this.#root;
    const { kept } = task;
    let known: KnownAnswer;
    let answered: CompletedAnswer;
    try {
      const of = isRoot ? this.#definition : task.definition;
      const stored = this.engine.keep(encodedOutput(of, output, givenBy), task.path);
      known = {
        output: stored,
        ...(kept !== undefined && { kept }),
        ...(givenBy !== undefined && { givenBy }),
      };
      answered = completedAnswer(of, known);
      this.#shared.tried(task);
    } catch (error) {
      this.failStep(task, error);
      return;
    }
    this.#cancellation.complete(task);
    this.#leaveRunning(task, 'has answered without it');
    // What was stopped below goes no further: the run goes on without it.
    this.#afterUndoing(task, true, () => {
      if (isRoot) this.#completeRun(answered, known);
      else this.#recordCompleted(task, answered, known);
    });
  }

  #completeRun({ output }: CompletedAnswer, known: KnownAnswer, isNew = true): void {
    this.#abandon(() => true);
    // Whoever heard of that may have stopped the run.
    if (this.#isOver) return;
    const root = this.#root;
    const event = this.events.runCompleted(output, known.givenBy, root.policy.critical);
    const isSame = known.output === output;
    if (!isSame) withStored<RunEvent>(event, known.output);
    this.#end(event, undefined, {
      stored: isSame ? undefined : ({ ...event, output: known.output } as RunEvent),
      recorded: () => {
        if (isNew && root.policy.cache !== undefined) this.engine.memorize?.(root, known);
      },
    });
  }

  #recordCompleted(task: StepTask, answered: CompletedAnswer, known: KnownAnswer): void {
    let shared: ReturnType<SharedStates['commit']>;
    try {
      shared = this.#shared.commit(task);
    } catch (error) {
      this.failStep(task, error);
      return;
    }
    this.#hasEnded(task);
    forgetFailures(task, () => this.engine.steps());
    const usage = isStructure(task.definition) || task.hasReported ? undefined : reportedUsage(known.output);
    if (usage !== undefined) this.events.report(usage);
    const then = (): void => {
      // Whoever took the answer from the cache would not have changed what it shares with others.
      if (task.policy.cache !== undefined && shared === undefined) this.engine.memorize?.(task, known);
      this.#answer(task, answered);
    };
    this.engine.record(this.events.completed(task, known, shared), then, undefined, task.place);
    this.#abandonBelow(task);
  }

  /** Nobody waits any more for what these steps had asked. */
  #abandon(isPast: (path: string) => boolean): void {
    if (this.#leftOpen === undefined || this.#leftOpen.size === 0) return;
    for (const [path, agent] of [...this.#leftOpen]) {
      if (this.#isOver || !isPast(path)) continue;
      this.#leftOpen.delete(path);
      this.engine.note(this.events.skipped(path, agent, 'abandoned'));
    }
  }

  #abandonBelow(task: StepTask): void {
    if (this.#leftOpen === undefined || this.#leftOpen.size === 0) return;
    const steps = this.engine.steps();
    this.#abandon((path) => isBelow(path, task.path, steps));
  }

  /** Whether a step belongs to one that has ended, or that an attempt of this life has left. */
  #hasEndedAbove(path: string): boolean {
    return isWithinFact(path, this.engine.steps()) || this.#left?.has(path) === true;
  }

  failStep(task: StepTask, error: unknown, known?: Failure): void {
    if (task.isStopped) return;
    const failure = known ?? this.#failureOf(task, error);
    this.suspended.delete(task);
    this.#leaveRunning(task, `failed: ${failure.message}`);
    if (task === this.#root && task.policy.retry === undefined) {
      this.#failRun(error, failure);
      return;
    }
    // Another attempt goes on where sagas below were stopped; one that goes back already is no part of it.
    this.#afterUndoing(task, false, () => {
      this.#decideRetry(task, error, failure);
    });
  }

  #failureOf(task: StepTask, error: unknown): Failure {
    return toFailure(error, task === this.#root ? undefined : task.path);
  }

  #failRun(error: unknown, failure: Failure): void {
    this.#afterUndoing(this.#root, this.#isFinal(this.#root, failure), () => {
      const others = openOrigins(this.engine.steps()).filter((path) => path !== failure.path);
      this.#end(this.events.runFailed(failure, others), error);
    });
  }

  #decideRetry(task: StepTask, error: unknown, failure: Failure): void {
    const decision = (): RetryDecision => retryDecision(task.policy, failure, task.tries, error);
    if (!failure.retryable || !asksUser(task.policy)) {
      this.#retryOrGiveUp(task, error, failure, decision());
      return;
    }
    this.#memoDecision(task, 'retry', decision, (decided) => {
      if (decided.ok) this.#retryOrGiveUp(task, error, failure, decided.value);
      else this.#giveUp(task, decided.error);
    });
  }

  #retryOrGiveUp(task: StepTask, error: unknown, failure: Failure, decision: RetryDecision): void {
    if (decision === 'give up') {
      this.#giveUp(task, error, failure);
      return;
    }
    const retry = (): void => {
      this.queue.enqueue(() => {
        if (task.phase === 'done') return;
        if (isStructure(task.definition) || task.nestedIds !== undefined) this.prior.renew();
        this.#attempt(task);
      });
    };
    const retrying = this.events.retrying(
      task,
      failure,
      decision.delayMs,
      openBelow(task, () => this.engine.steps()),
    );
    this.engine.record(retrying, () => {
      this.#landed(task);
      if (task.phase === 'done') return;
      if (decision.delayMs === 0) retry();
      else task.stop = this.engine.sleep(task.path, decision.delayMs, retry);
    });
  }

  /** The step fails, whether or not it was ever called. */
  #giveUp(task: StepTask, error: unknown, failure: Failure = this.#failureOf(task, error)): void {
    if (task === this.#root) {
      this.#failRun(error, failure);
      return;
    }
    const within = this.#standIn(task);
    const goesOn = this.#cancellation.hasAny() && task.contain?.().isContained === true;
    const record = (): void => {
      if (this.#hasUndone(task)) (this.#finalFailures ??= new WeakSet()).add(failure);
      this.#hasEnded(task);
      noteFailure(task);
      const event = this.events.failed(task, failure);
      this.engine.record(event, () => {
        this.#answer(task, { kind: 'failed', failure, cause: error });
      });
      if ('contained' in event) this.#abandonBelow(task);
    };
    this.#afterUndoing(task, goesOn || this.#isFinal(task, failure), record, within);
  }

  /** Whether trying again cannot help, for the step itself or because of a saga below: it only goes back, once it has begun to. */
  #isFinal({ definition }: StepTask, failure: Failure): boolean {
    return definition.kind === 'saga' || this.#finalFailures?.has(failure) === true;
  }

  /** Whether it is a saga that can only go back from here on. */
  #hasUndone({ definition, path }: StepTask): boolean {
    return (
      definition.kind === 'saga' &&
      this.#cancellation.hasGoneBack(path, new PriorSteps(this.engine, this.engine.steps()))
    );
  }

  /** Goes on once sagas that were stopped below a step, which has ended, have undone what they must. */
  #afterUndoing(task: StepTask, all: boolean, then: () => void, within = task): void {
    const waits =
      this.#cancellation.hasAny() &&
      this.#cancellation.undoBelow(within, all, () => {
        if (task.phase !== 'done' && !this.#isOver) then();
      });
    if (!waits) then();
  }

  /** The step is not wanted: it gives what its policy puts in its place. */
  #skip(task: StepTask): void {
    let output: unknown;
    try {
      output = this.engine.keep(task.policy.otherwise, task.path);
    } catch (error) {
      this.#giveUp(task, error);
      return;
    }
    this.#hasEnded(task);
    this.engine.record(this.events.skipped(task.path, task.definition.name, 'when', output), () => {
      this.#answer(task, { kind: 'skipped', output });
    });
  }

  /** From here on nothing that the attempt still does counts, and what it had asked for stops. */
  #leaveRunning(task: StepTask, how: string): void {
    this.#readers?.delete(task);
    this.permits.release(task);
    task.phase = 'ending';
    this.queue.dropAsked(task);
    this.#contextSteps.cancelBelow(task, `step "${task.path}" ${how}`);
    this.queue.setActive(task, true);
    const { stop } = task;
    task.stop = undefined;
    if (isStructure(task.definition)) stop?.();
  }

  /** Tells whoever asked for the step how it has ended. */
  #answer(task: StepTask, answered: Answer): void {
    this.queue.enqueue(() => {
      if (task.phase === 'done') return;
      task.phase = 'done';
      this.queue.setActive(task, false);
      this.#inFlight.delete(task);
      this.#leaveCall(task, answered.kind === 'failed' || task.updates !== undefined);
      this.#cancellation.heard(task);
      try {
        task.answer(answered);
      } catch (error) {
        // The reaction of the structure above threw.
        if (task.parent !== undefined && isRunning(task.parent)) this.failStep(task.parent, error);
      }
      // Not before: the function that waited for it is under way again.
      this.#isolation?.leave(task);
    });
  }

  skipStep(path: string, agent: string, reason: StepSkipped['reason']): void {
    this.#leftOpen?.delete(path);
    const status = this.prior.at(path)?.status;
    if (status !== 'SKIPPED' && status !== 'COMPLETED')
      this.engine.note(this.events.skipped(path, agent, reason));
  }

  cancelStep(task: StepTask, as?: 'lost' | 'abandoned'): void {
    const { phase } = task;
    if (phase === 'done') return;
    this.suspended.delete(task);
    task.phase = 'done';
    this.#landed(task);
    this.queue.dropAsked(task);
    this.queue.setActive(task, false);
    this.#sharing?.delete(task);
    this.#leaveCall(task, false);
    const { stop } = task;
    task.stop = undefined;
    stop?.();
    // Not before it has stopped: leaving lets the next one in.
    this.permits.release(task);
    this.#isolation?.leave(task);
    this.#readers?.delete(task);
    this.#contextSteps.cancelBelow(task, this.#whyOver ?? `step "${task.path}" was stopped`);
    if (as !== undefined && phase === 'ended') this.#cancellation.lost(task);
    this.#standIn(task);
    if (this.#isOver || phase === 'ended' || task.isStopped) return;
    if (as !== undefined) this.engine.note(this.events.skipped(task.path, task.definition.name, as));
    else if (phase === 'suspended') {
      (this.#leftOpen ??= new Map()).set(task.path, task.definition.name);
      (this.#left ??= new Set()).add(task.path);
    } else if (task.tries > 0) this.engine.note(this.events.cancelled(task.path));
  }

  /** Asks a function of the user's how a step goes on. A step that has stopped meanwhile does not hear what it decided. */
  #memoDecision<T>(
    task: StepTask,
    question: string,
    decision: () => T,
    answer: (decided: Decided<T>) => void,
  ): void {
    this.engine.decide(task.path, question, decision, (decided) => {
      this.queue.enqueue(() => {
        if (task.phase !== 'done') answer(decided);
      });
    });
  }

  /** @param how - `stored` replaces the event in what is written; `recorded` is called once that is done. */
  #end(
    event: RunEvent,
    cause: unknown,
    how: { readonly stored?: RunEvent | undefined; readonly recorded?: () => void } = {},
  ): void {
    this.#isOver = true;
    this.queue.end();
    this.#isolation?.end();
    this.#stopSettling?.();
    this.permits.releaseAll();
    if (event.type === 'run.failed') this.#leaveCall(this.#root, true);
    this.engine.record(
      event,
      () => {
        how.recorded?.();
        this.#execution.ended(cause);
      },
      how.stored,
    );
  }
}

/** Why a run rests that nobody can bring on. */
const NO_STORE = 'no store: nobody can answer; give run() a store or an engine';

/** What the functions that a machine calls may tell it. A class, because there is one for every run. */
class Calls implements CallCallbacks {
  readonly #machine: StepExecutor;

  constructor(machine: StepExecutor) {
    this.#machine = machine;
  }

  emit(task: StepTask, value: unknown): void | Promise<void> {
    return isRunning(task) ? this.#machine.takePartial(task, value) : undefined;
  }

  log(task: StepTask, level: LogLevel, message: string, data?: object | (() => object)): void {
    const { isOver, engine, events } = this.#machine;
    if (!isOver) engine.tell(events.logged(task.path, level, message, data));
  }

  step<I, O>(task: StepTask, id: string, agent: Agent<I, O>, input: I): Observable<O> {
    return this.#machine.contextStep(task, id, agent, input);
  }

  shared(task: StepTask): unknown {
    return this.#machine.sharedState(task);
  }

  update(task: StepTask, change: unknown): void {
    this.#machine.updateShared(task, change);
  }

  isWanted(task: StepTask): boolean {
    return isRunning(task) && !this.#machine.isOver;
  }

  done(task: StepTask, output: unknown): void {
    if (isRunning(task)) this.#machine.completeStep(task, output);
  }

  fail(task: StepTask, error: unknown): void {
    if (isRunning(task)) this.#machine.failStep(task, error);
  }
}

/**
 * Whether it is an item of an `each`, or a part of one, where everything above is under way for the first time: no plan names it,
 * and no other step has its path.
 */
function isItem({ parent, undoes }: StepTask): boolean {
  let isWithin = false;
  for (let above = parent; above !== undefined; above = above.parent) {
    const { kind } = above.definition;
    if (above.tries !== 1 || !(kind === 'each' || kind === 'chain' || kind === 'workflow')) return false;
    isWithin ||= kind === 'each';
  }
  return isWithin && undoes === undefined;
}

/** A single agent as the root of a run: a structure of one step that bears the agent's name. */
function singleStepWorkflow(agent: Agent<never, unknown>): StructureDefinition {
  return {
    kind: 'chain',
    name: agent.name,
    policy: {},
    parts: [],
    depth: 1,
    shape: 'sequence',
    madeWith: [],
    begin(input, scope) {
      const step = scope.step({ id: agent.name, agent, input }, (answer) => {
        if (answer.kind === 'failed') scope.fail(answer.cause, answer.failure);
        else scope.complete(answer.output, givenByOf(answer));
      });
      return () => {
        step.cancel();
      };
    },
  };
}

function both(first: Stop, second: Stop | undefined): Stop {
  if (second === undefined) return first;
  return () => {
    first();
    second();
  };
}

function ignore(): void {
  // Nobody asked for the root.
}
