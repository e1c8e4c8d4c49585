import { isDeepStrictEqual } from 'node:util';

import type { SchedulerLike, Subscriber } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../lib/codec/json';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/graph/definition';
import { definitionOf, planOf } from '../../lib/graph/definition';
import type { PlanDiff } from '../../lib/graph/planDiff';
import { planDiff } from '../../lib/graph/planDiff';
import type { Agent } from '../../lib/model/agent';
import type { RunEvent, RunResumed, RunStarted } from '../../lib/model/event';
import { reduceRun } from '../../lib/model/reduce';
import { RunError } from '../../lib/model/runError';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import type { Transition } from '../../lib/model/transition';
import type { Claim } from '../../lib/store/store';
import { UnknownRunError } from '../../lib/store/unknownRunError';
import { DefinitionMismatchError } from '../definitionMismatchError';
import { InputMismatchError } from '../inputMismatchError';
import type { Interpreter } from '../interpret';
import { interpret } from '../interpret';
import { localEngine } from '../local';
import { StreamInputError } from '../streamInputError';
import { downstream } from './downstream';
import { hasStreamMark, withoutStreams } from './inputForms';
import { mailbox } from './mailbox';

/** One life of a run. */
export interface Life<O> {
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

interface Opening<O> {
  readonly state: RunState<O>;
  readonly input: unknown;
  /** Absent when the run has completed already. */
  readonly event: RunStarted | RunResumed | undefined;
  readonly warning?: { readonly message: string; readonly data: object };
}

function openingOf<O>(life: Life<O>, definition: Definition, saved: RunState<O> | undefined): Opening<O> {
  const { runId, claim, scheduler = asyncScheduler, agent } = life;
  const plan = planOf(definition);
  const marked = withoutStreams(life.input);
  const hasStream = marked !== life.input;
  const given = claim.checksValues ? jsonValue(marked, '') : marked;
  if (saved === undefined && life.mustExist) throw new UnknownRunError(runId);
  const at = scheduler.now();
  if (saved === undefined || saved.status === 'IDLE') {
    return {
      state: saved ?? idleState(runId, agent.name, plan),
      input: hasStream ? life.input : given,
      event: {
        type: 'run.started',
        runId,
        seq: (saved?.seq ?? 0) + 1,
        at,
        name: agent.name,
        input: given,
        plan,
      },
    };
  }
  const diff = planDiff(saved.plan, plan);
  const isInputChanged =
    given !== undefined && given !== saved.input && !isDeepStrictEqual(given, saved.input);
  if (life.onMismatch === 'refuse') {
    if (diff !== undefined) throw new DefinitionMismatchError(runId, agent.name, diff);
    if (isInputChanged) throw new InputMismatchError(runId);
  }
  const isChanged = diff !== undefined || isInputChanged;
  if (saved.status !== 'COMPLETED' && !hasStream && !isInputChanged && hasStreamMark(saved.input)) {
    throw new StreamInputError(runId);
  }
  if (saved.status === 'COMPLETED' && !isChanged) {
    return { state: restored(saved, definition), input: saved.input, event: undefined };
  }
  const dropped = isChanged ? downstream(plan, diff, isInputChanged, saved.steps) : [];
  const gone = new Set(dropped);
  let reused = 0;
  for (const { status, stepId } of saved.steps) {
    if ((status === 'COMPLETED' || status === 'SKIPPED') && !gone.has(stepId)) reused += 1;
  }
  return {
    state: saved,
    input: hasStream ? life.input : isInputChanged ? given : saved.input,
    event: {
      type: 'run.resumed',
      runId,
      seq: saved.seq + 1,
      at,
      life: saved.life + 1,
      reused,
      ...(diff !== undefined && { plan }),
      ...(isInputChanged && { input: given }),
      ...(dropped.length > 0 && { dropped }),
    },
    ...(isChanged && { warning: warningOf(diff, isInputChanged, dropped) }),
  };
}

function warningOf(diff: PlanDiff | undefined, isInputChanged: boolean, dropped: readonly string[]) {
  const what = [diff === undefined ? [] : ['definition'], isInputChanged ? ['input'] : []]
    .flat()
    .join(' and ');
  return {
    message: `The saved run has another ${what}; the one at hand wins and ${String(dropped.length)} saved steps are dropped`,
    data: { ...diff, isInputChanged, dropped },
  };
}

/** A completed run as it was told when it completed: its output decoded. */
function restored<O>(saved: RunState<O>, { output: codec, name }: Definition): RunState<O> {
  if (codec === undefined) return saved;
  return Object.freeze({ ...saved, output: validate(codec, saved.output, `saved output of "${name}"`) as O });
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

/** Goes on at once, or when the Promise has settled; how it settled concerns the store, which has told it before. */
function afterwards(done: void | Promise<void>, then: () => void | Promise<void>): void {
  if (done === undefined) void then();
  else
    void done
      .then(then, (error: unknown) => {
        reportUnheard(error);
        return then();
      })
      .catch(reportUnheard);
}

/** For a failure that no subscriber is left to hear of. */
function reportUnheard(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
