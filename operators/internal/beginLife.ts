import type { Subscriber } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type { Definition } from '../../lib/graph/definition';
import { definitionOf } from '../../lib/graph/definition';
import type { RunEvent } from '../../lib/model/event';
import { reduceRun } from '../../lib/model/reduce';
import { RunError } from '../../lib/model/runError';
import type { RunState } from '../../lib/model/state';
import type { Transition } from '../../lib/model/transition';
import type { Interpreter } from '../interpret';
import { interpret } from '../interpret';
import { localEngine } from '../local';
import { afterwards, reportUnheard } from './afterwards';
import type { Life } from './life';
import { mailbox } from './mailbox';
import type { Opening } from './openingOf';
import { openingOf } from './openingOf';

/**
 * Begins or resumes a run and tells its transitions to the subscriber, until the life ends. A run that has completed only
 * tells its end again.
 *
 * @returns How to leave: the run is cancelled, and can be resumed.
 */
export function beginLife<O>(life: Life<O>, subscriber: Subscriber<Transition<O>>): () => void {
  const { runId, agent, claim } = life;
  const definition = definitionOf(agent) as Definition;
  const saved = claim.state as RunState<O> | undefined;
  let opening: Opening<O>;
  try {
    opening = openingOf(life, definition, saved);
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
    subscriber.next({ event: replayedEnd(state, life), state });
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
  const engine = localEngine<O>({
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
    if (warning !== undefined) engine.tell(warningEvent(warning.message, warning.data));
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

  function warningEvent(message: string, data?: object): RunEvent {
    const warned = { runId, seq: event.seq, at: engine.now(), path: '', level: 'WARNING', message } as const;
    return { type: 'step.logged', ...warned, ...(data !== undefined && { data }) };
  }
  return leave;
}

function replayedEnd<O>(state: RunState<O>, { runId, scheduler = asyncScheduler }: Life<O>): RunEvent {
  return {
    type: 'run.completed',
    runId,
    seq: state.seq,
    at: scheduler.now(),
    output: state.output,
    duration: ((state.endedAt ?? state.startedAt) - state.startedAt) / 1000,
    replayed: true,
  };
}
