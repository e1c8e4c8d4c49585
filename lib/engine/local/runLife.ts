import type { SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler, Observable } from 'rxjs';

import { RunError } from '../../errors/runErrors';
import type { Agent } from '../../model/agentType';
import type { RunEvent, Transition } from '../../model/event';
import { reduceRun } from '../../model/reduce';
import type { RunState } from '../../model/state';
import type { Claim, RunRest } from '../../store/store';
import type { Interpreter } from '../interpreter/interpreter';
import { interpret } from '../interpreter/interpreter';
import { newIncarnation } from '../newRunId';
import type { Start } from '../resolveStart';
import { replayedEnd, resolveStart } from '../resolveStart';
import type { RunOptions } from '../runOptions';
import { LocalEngine } from './localEngine';
import { mailbox } from './mailbox';
import { afterwards, reportUnheard } from './startTimer';

/** Which run is carried on, and where it rests. */
export interface CarriedRun<O> {
  readonly rest: RunRest;
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
  readonly options: Pick<RunOptions, 'scheduler' | 'onMismatch' | 'maxCrashes' | 'signal'>;
}

/** One life of a run. */
interface Life<O> {
  readonly runId: string;
  readonly agent: Agent<never, O>;
  readonly input: unknown;
  readonly claim: Claim;
  readonly scheduler: SchedulerLike | undefined;
  readonly onMismatch: 'refuse' | 'actual';
  readonly maxCrashes: number;
  /** Aborted when the run is to be cancelled and its subscriber to hear of it. */
  readonly signal: AbortSignal | undefined;
  /** Whether the store must know the run already. */
  readonly mustExist: boolean;
}

/** A cold stream of one life of a run: subscribing claims and begins or resumes it, unsubscribing cancels it. */
export function carryOn<O>(run: CarriedRun<O>): Observable<Transition<O>> {
  const { rest, runId, agent, input, mustExist } = run;
  const { onMismatch = 'refuse', maxCrashes = 3, scheduler, signal } = run.options;
  return new Observable<Transition<O>>((subscriber) => {
    let leave: (() => void) | undefined;
    const isGone = (): boolean => subscriber.closed;
    const begin = (claim: Claim): void => {
      if (isGone()) {
        void claim.release(() => claim.state);
        return;
      }
      leave = beginLife<O>(
        { runId, agent, input, mustExist, claim, scheduler, onMismatch, maxCrashes, signal },
        subscriber,
      );
      // What was told on the way may have made the subscriber leave.
      if (isGone()) leave();
    };
    const claim = rest.claim(runId);
    if (claim instanceof Promise) {
      claim.then(begin).catch((error: unknown) => {
        subscriber.error(error);
      });
    } else begin(claim);
    return () => {
      leave?.();
    };
  });
}

/**
 * Begins or resumes a run and tells its transitions to the subscriber, until the life ends. A run that has completed only
 * tells its end again.
 *
 * @returns How to leave: the run is cancelled, and can be resumed.
 */
export function beginLife<O>(life: Life<O>, subscriber: Subscriber<Transition<O>>): () => void {
  const { runId, agent, claim } = life;
  const saved = claim.state as RunState<O> | undefined;
  let opening: Start<O>;
  try {
    const { input: given, mustExist, onMismatch } = life;
    const { checksValues } = claim;
    const at = (life.scheduler ?? asyncScheduler).now();
    const incarnation = saved?.incarnation ?? newIncarnation(life.scheduler);
    const input = given;
    opening = resolveStart({
      runId,
      agent,
      input,
      saved,
      mustExist,
      onMismatch,
      checksValues,
      at,
      incarnation,
    });
  } catch (error) {
    afterwards(
      claim.release(() => saved),
      () => {
        subscriber.error(error);
      },
    );
    return () => undefined;
  }
  const { state, input } = opening;
  if (opening.event === undefined) {
    subscriber.next({ event: replayedEnd(state, (life.scheduler ?? asyncScheduler).now()), state });
    afterwards(
      claim.release(() => saved),
      () => {
        subscriber.complete();
      },
    );
    return () => undefined;
  }

  const { event, warning } = opening;
  let isReleased = false;
  /** The end may be heard, and left, at once. */
  const release = (final: () => RunState<O>): void | Promise<void> => {
    if (isReleased) return undefined;
    isReleased = true;
    return claim.release(final);
  };
  let isOver = false;
  let latest: RunEvent['type'] = event.type;
  let interpreter: Interpreter | undefined;
  let cancelRequest: { readonly reason: string | undefined } | undefined;
  const messages = mailbox(claim, {
    cancel,
    warn: (message) => {
      if (!isOver) engine.tell(warningEvent(message));
    },
  });
  const engine = new LocalEngine<O>({
    claim,
    state,
    scheduler: life.scheduler,
    mailbox: messages,
    tell: (transition) => {
      latest = transition.event.type;
      subscriber.next(transition);
      // Whoever has heard enough must not wait until this call comes back.
      if (subscriber.closed) leave();
    },
    broken: (error) => {
      if (isOver) return;
      isOver = true;
      interpreter?.stop();
      settle(false);
      engine.close();
      afterwards(
        release(() => engine.state()),
        () => {
          subscriber.error(error);
        },
      );
    },
  });
  const ended = (cause: unknown): void => {
    isOver = true;
    engine.close();
    settle(latest === 'run.completed');
    // A short run of which nobody has looked at the state is never reduced at all.
    afterwards(
      release(() => engine.state()),
      () => {
        if (latest !== 'run.failed') {
          subscriber.complete();
          return;
        }
        const final = engine.state();
        subscriber.error(
          new RunError(final, final.error ?? { name: 'Error', message: 'unknown', retryable: true }, cause),
        );
      },
    );
  };
  engine.record(event, () => {
    if (isOver) return;
    if (warning !== undefined) engine.tell(warning);
    interpreter = interpret({
      runId,
      agent: agent,
      input,
      engine,
      known: saved === undefined ? undefined : engine.steps(),
      seq: event.seq,
      maxCrashes: life.maxCrashes,
      ended,
    });
    life.signal?.addEventListener('abort', abort);
    messages.open();
    if (life.signal?.aborted === true) abort();
    if (cancelRequest === undefined) interpreter.begin();
    else cancel(cancelRequest.reason);
  });

  function abort(): void {
    cancel(undefined);
  }

  /** Stops the run and tells so. */
  function cancel(reason: string | undefined): void {
    if (isOver) return;
    cancelRequest = { reason };
    interpreter?.cancel(reason, (cancelled) => {
      engine.record(cancelled, () => {
        ended(undefined);
      });
    });
  }

  /** Stops the run because nobody listens any more. */
  function leave(): void {
    if (isOver) return;
    isOver = true;
    const cancelled =
      interpreter === undefined
        ? ({ type: 'run.cancelled', runId, seq: event.seq + 1, at: engine.now(), duration: 0 } as const)
        : interpreter.stop();
    engine.close();
    const reached = engine.state();
    settle(reached.status === 'COMPLETED');
    if (cancelled === undefined) {
      afterwards(undefined, () => release(() => reached));
      return;
    }
    try {
      afterwards(claim.append(cancelled), () => undefined);
    } catch (error) {
      reportUnheard(error);
    }
    // Not behind the writing: whoever leaves may close the store in the same turn.
    afterwards(
      release(() => reduceRun(reached, cancelled)),
      () => undefined,
    );
  }

  function settle(isFinished: boolean): void {
    life.signal?.removeEventListener('abort', abort);
    messages.close(isFinished);
  }

  function warningEvent(message: string): RunEvent {
    const warned = { runId, seq: event.seq, at: engine.now(), path: '', level: 'WARNING', message } as const;
    return { type: 'step.logged', ...warned };
  }
  return leave;
}
