import type { Subscriber } from 'rxjs';
import { asyncScheduler, Observable } from 'rxjs';

import { RunError } from '../../errors/runErrors';
import type { Agent } from '../../model/agentType';
import type { RunEvent, RunResumed, RunStarted, Transition } from '../../model/event';
import { reduceRun } from '../../model/reduce';
import type { RunState, RunStatus } from '../../model/state';
import type { StepResult } from '../../model/stepResult';
import { hearingOf } from '../../store/messages';
import type { Claim, RunRest } from '../../store/store';
import { abortReason, onAbort } from '../../streams/onAbort';
import type { Pace } from '../../streams/pace';
import { currentPace, withPace } from '../../streams/pace';
import type { Stop } from '../../streams/pull';
import { StepExecutor } from '../interpreter/stepExecutor';
import { checkedNow } from '../clockProblem';
import { newIncarnation } from '../newRunId';
import type { Start } from '../resolveStart';
import { replayedEnd, resolveStart } from '../resolveStart';
import type { RunOptions } from '../runOptions';
import { claimFor } from './claimFor';
import type { Drain, Drainable } from './drain';
import { LocalEngine } from './localEngine';
import { servicesView } from './givenServices';
import type { MailboxOwner } from './mailbox';
import { Mailbox } from './mailbox';
import { reportUnheard, whenSettled } from './startTimer';

/** Which run is carried out, and where it rests. */
export interface LocalRun<O> {
  readonly rest: RunRest;
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
  readonly options: Pick<
    RunOptions,
    'scheduler' | 'onMismatch' | 'maxCrashes' | 'signal' | 'tags' | 'recordInputs' | 'services'
  >;
  /** Ends the life early, so that whoever serves the run later goes on with it. */
  readonly drain?: Drain;
}

/** A cold stream of one life of a run: subscribing claims and starts or resumes it, unsubscribing cancels it. */
export function claimAndRun<O>(run: LocalRun<O>): Observable<Transition<O>> {
  return new Observable<Transition<O>>((subscriber) => {
    let life: RunLife<O> | undefined;
    const pace = currentPace();
    claimFor(run.rest, run.runId, subscriber, (claim) => {
      // What its functions subscribe to comes as it likes.
      withPace(undefined, () => {
        life = startExecution<O>(run, claim, subscriber, pace);
        // Whoever leaves while it begins, as retry() does, finds it and gives the run back at once.
        life?.begin();
      });
      // What was told on the way may have made the subscriber leave.
      if (subscriber.closed) life?.leave();
    });
    return () => {
      life?.leave();
    };
  });
}

/** A life still to begin; undefined when it is over: the run cannot begin, or has completed and only tells its end again. */
function startExecution<O>(
  run: LocalRun<O>,
  claim: Claim,
  subscriber: Subscriber<Transition<O>>,
  pace: Pace | undefined,
): RunLife<O> | undefined {
  const { runId, agent, input, mustExist } = run;
  const { onMismatch = 'refuse', scheduler = asyncScheduler } = run.options;
  const saved = claim.state as RunState<O> | undefined;
  let start: Start<O>;
  try {
    start = resolveStart({
      runId,
      agent,
      input,
      saved,
      mustExist,
      onMismatch,
      checksValues: claim.checksValues,
      at: checkedNow(scheduler),
      incarnation: saved?.incarnation ?? newIncarnation(run.options.scheduler),
      ...(run.options.tags !== undefined && { tags: run.options.tags }),
    });
  } catch (error) {
    whenSettled(
      claim.release(() => saved),
      () => {
        subscriber.error(error);
      },
    );
    return undefined;
  }
  const { state, event } = start;
  if (event === undefined) {
    subscriber.next({ event: replayedEnd(state, scheduler.now()), state });
    whenSettled(
      claim.release(() => saved),
      () => {
        subscriber.complete();
      },
    );
    return undefined;
  }
  return new RunLife(run, claim, { ...start, event }, subscriber, pace);
}

/** A start that has something to carry out. */
type Begun<O> = Start<O> & { readonly event: RunStarted | RunResumed };

/** One life of a run in this process: tells its transitions to the subscriber until it ends. */
class RunLife<O> implements MailboxOwner, Drainable {
  readonly #run: LocalRun<O>;
  readonly #claim: Claim;
  readonly #start: Begun<O>;
  readonly #subscriber: Subscriber<Transition<O>>;
  readonly #mailbox: Mailbox;
  readonly #engine: LocalEngine<O>;
  #executor: StepExecutor | undefined;
  #cancelRequest: { readonly reason: string | undefined } | undefined;
  #latest: RunEvent['type'];
  #stopListening: Stop | undefined;
  #leaveDrain: Stop | undefined;
  #isDraining = false;
  #isOver = false;
  #isReleased = false;

  constructor(
    run: LocalRun<O>,
    claim: Claim,
    start: Begun<O>,
    subscriber: Subscriber<Transition<O>>,
    pace: Pace | undefined,
  ) {
    this.#run = run;
    this.#claim = claim;
    this.#start = start;
    this.#subscriber = subscriber;
    this.#latest = start.event.type;
    const saved = claim.state;
    this.#mailbox = new Mailbox(claim, this, hearingOf(saved, start.state.incarnation));
    this.#engine = new LocalEngine<O>({
      claim,
      state: start.state,
      scheduler: run.options.scheduler,
      services: servicesView(run.options.services),
      mailbox: this.#mailbox,
      pace,
      tell: (transition) => {
        this.#tell(transition);
      },
      broken: (error) => {
        this.#break(error);
      },
    });
  }

  begin(): void {
    this.#leaveDrain = this.#run.drain?.join(this);
    this.#mailbox.forgetUsed();
    this.#engine.record(this.#start.event, () => {
      if (!this.#isOver) this.#execute();
    });
  }

  #execute(): void {
    const { runId, agent, options } = this.#run;
    const { event, input, ids, warning } = this.#start;
    const { signal, maxCrashes = 3 } = options;
    if (warning !== undefined) this.#engine.tell(warning);
    if (this.#hasEnded()) return;
    const executor = new StepExecutor({
      runId,
      agent,
      input,
      ids,
      engine: this.#engine,
      known: this.#claim.state === undefined ? undefined : this.#engine.steps(),
      seq: event.seq,
      revision: this.#claim.state?.revision,
      maxCrashes,
      recordInputs: options.recordInputs === true,
      onMismatch: options.onMismatch ?? 'refuse',
      ended: (cause) => {
        this.#end(cause);
      },
    });
    this.#executor = executor;
    this.#mailbox.open();
    if (signal !== undefined && !this.#hasEnded()) this.#stopListening = onAbort(signal, this.#abort);
    if (this.#isDraining) executor.drain();
    if (this.#cancelRequest === undefined) executor.begin();
    else this.cancel(this.#cancelRequest.reason);
  }

  // A function, because the compiler does not see that a message may end the life.
  #hasEnded(): boolean {
    return this.#isOver;
  }

  /** Stops the run and tells so. */
  cancel(reason: string | undefined): void {
    if (this.#isOver) return;
    this.#cancelRequest = { reason };
    this.#executor?.cancel(reason, (cancelled) => {
      this.#engine.record(cancelled, () => {
        this.#end(undefined);
      });
    });
  }

  drain(): void {
    this.#isDraining = true;
    if (!this.#isOver) this.#executor?.drain();
  }

  cutOff(): void {
    if (this.#isOver) return;
    if (this.#executor === undefined) this.drain();
    else if (!this.#executor.cutOff()) this.leave();
  }

  step(path: string): StepResult | undefined {
    return this.#engine.steps().get(path);
  }

  warn(message: string): void {
    if (this.#isOver) return;
    const { runId } = this.#run;
    const { seq } = this.#start.event;
    const at = this.#engine.now();
    this.#engine.tell({ type: 'step.logged', runId, seq, at, path: '', level: 'WARNING', message });
  }

  /** Stops the run because nobody listens any more: it is cancelled, and can be resumed. */
  leave(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { runId } = this.#run;
    const engine = this.#engine;
    const { seq } = this.#start.event;
    const cancelled =
      this.#executor === undefined
        ? ({ type: 'run.cancelled', runId, seq: seq + 1, at: engine.now(), duration: 0 } as const)
        : this.#executor.stop();
    engine.close();
    const reached = engine.state();
    const { problem } = engine;
    if (problem !== undefined) reportUnheard(problem);
    const isCancelled = cancelled !== undefined && problem === undefined;
    this.#settle(isCancelled ? 'CANCELLED' : reached.status === 'RUNNING' ? 'SUSPENDED' : reached.status);
    if (!isCancelled) {
      whenSettled(undefined, () => this.#release(() => reached));
      return;
    }
    try {
      whenSettled(this.#claim.append(cancelled), () => undefined);
    } catch (error) {
      reportUnheard(error);
    }
    // Not behind the writing: whoever leaves may close the store in the same turn.
    whenSettled(
      this.#release(() => reduceRun(reached, cancelled)),
      () => undefined,
    );
  }

  #tell(transition: Transition<O>): void {
    this.#latest = transition.event.type;
    this.#subscriber.next(transition);
    // Whoever has heard enough must not wait until this call comes back.
    if (this.#subscriber.closed) this.leave();
  }

  /** The store can no longer be written to. */
  #break(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#executor?.stop();
    this.#settle('SUSPENDED');
    this.#engine.close();
    whenSettled(
      this.#release(() => this.#engine.state()),
      () => {
        this.#subscriber.error(error);
      },
    );
  }

  #end(cause: unknown): void {
    this.#isOver = true;
    this.#engine.close();
    this.#settle(ENDS[this.#latest] ?? 'SUSPENDED');
    // A short run of which nobody has looked at the state is never reduced at all.
    whenSettled(
      this.#release(() => this.#engine.state()),
      () => {
        if (this.#latest === 'run.failed') this.#subscriber.error(this.#runError(cause));
        else this.#subscriber.complete();
      },
    );
  }

  #runError(cause: unknown): RunError {
    const final = this.#engine.state();
    const { error = { name: 'Error', message: 'unknown', retryable: true } } = final;
    return new RunError(final, error, cause);
  }

  /** Once only: the end may be heard, and left, at once. */
  #release(final: () => RunState<O>): void | Promise<void> {
    if (this.#isReleased) return undefined;
    this.#isReleased = true;
    return this.#claim.release(final);
  }

  /** @param status - How the run stands now; SUSPENDED where it goes on. */
  #settle(status: RunStatus): void {
    this.#stopListening?.();
    this.#leaveDrain?.();
    this.#mailbox.close(status);
  }

  readonly #abort = (): void => {
    const { signal } = this.#run.options;
    this.cancel(signal && abortReason(signal));
  };
}

const ENDS: Partial<Readonly<Record<RunEvent['type'], RunStatus>>> = {
  'run.completed': 'COMPLETED',
  'run.failed': 'FAILED',
  'run.cancelled': 'CANCELLED',
};
