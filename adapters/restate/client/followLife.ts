import { isDeepStrictEqual } from 'node:util';

import { asyncScheduler } from 'rxjs';

import type { Definition } from '../../../lib/definition/definition';
import { definitionOf } from '../../../lib/definition/definition';
import { InputMismatchError } from '../../../lib/errors/runErrors';
import { StepError } from '../../../lib/errors/stepErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { Transition } from '../../../lib/model/event';
import { isEnd } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import type { Stop } from '../../../lib/streams/pull';
import { IngressError } from '../protocol/ingress';
import { callAfter } from '../protocol/pause';
import type { StartRequest } from '../protocol/protocol';
import { WATCH_MS } from '../protocol/wireLimits';
import { endOfLife } from './endOfLife';
import type { EngineContext } from './engineContext';
import { follower } from './follower';
import type { Following } from './lifeResult';
import { resultOf } from './lifeResult';
import { readEvents } from './readEvents';
import { stalled } from './stalled';
import { watchLife } from './watchLife';

/**
 * Follows one life to its end; begins it when `start` is given, or answers `known` when it had begun before, `broken` when it
 * has ended without a result.
 *
 * The question that begins it is answered with its end. Only a run that takes longer than a batch is asked for events too.
 */
export async function followLife<O>(
  context: EngineContext,
  following: Following<O>,
  start?: StartRequest,
): Promise<RunState<O> | 'known' | 'broken'> {
  const { agent, key, base, runId } = following;
  const local = new AbortController();
  const { signal } = local;
  const leave = (): void => {
    local.abort('left');
  };
  // Not AbortSignal.any, which costs more than all else here.
  following.signal.addEventListener('abort', leave);
  if (following.signal.aborted) leave();
  let isBegun = false;
  let isAnswered = true;
  let wrong: Error | undefined;
  /** Told once the life is over: before that nobody could go on with the run, or give it up. */
  let end: Transition<O> | undefined;
  const follow = follower<O>(base, definitionOf(agent) as Definition, (transition) => {
    if (isOtherInput(following, transition)) {
      wrong = new InputMismatchError(runId);
      local.abort('over');
    }
    isBegun = true;
    if (wrong !== undefined) return;
    if (isEnd(transition.event)) end = transition;
    else following.tell(transition);
  });
  const cursor = { from: 0, parts: 0 };
  const begunAt = asyncScheduler.now();
  let isWatched = false;
  /** Hears more of a life that takes longer than most: what it tells on the way, and why it does not move. */
  const watch = async (): Promise<never> => {
    isWatched = true;
    void watchLife(context, following, follow, cursor, signal, (isNow) => {
      isAnswered = isNow;
    });
    const signs = { begunAt, isBegun: () => isBegun, isAnswered: () => isAnswered };
    return stalled(context, agent, following, signs, signal, (reason) => {
      following.tell(warningOf(reason, follow.state()));
    });
  };
  let stopWaiting: Stop = () => undefined;
  const over = (): void => {
    stopWaiting();
    // Only what watches listens, and `abort` costs as much as a step even when nobody does.
    if (isWatched) local.abort('over');
  };

  context.pace.begin();
  try {
    const trouble = new Promise<never>((_, reject) => {
      stopWaiting = callAfter(context.pace.after(WATCH_MS), () => {
        watch().catch(reject);
      });
    });
    const result = await Promise.race([endOfLife(context, agent, key, start, signal), trouble]);
    if (result === 'known') return 'known';
    if (result.refused !== undefined) throw new StepError(result.refused, undefined);
    over();
    if (cursor.parts < result.parts || cursor.from < result.from) {
      await readEvents(context, following, follow, cursor, { upTo: result });
    }
    follow.events(result.from, result.events);
    if (wrong !== undefined) throw wrong;
    if (end !== undefined) following.tell(end);
    return follow.state();
  } catch (error) {
    const isAnswer = error instanceof IngressError && !error.isAway;
    // Whoever asks how it has ended finds out why.
    if (wrong === undefined && isAnswer && (await isBroken(context, agent, key, start === undefined)))
      return 'broken';
    throw wrong ?? error;
  } finally {
    context.pace.end();
    following.signal.removeEventListener('abort', leave);
    over();
  }
}

/** Tells of a run what stands in no event of it. */
function warningOf<O>(message: string, state: RunState<O>): Transition<O> {
  const { runId, seq } = state;
  const event = { type: 'step.logged', runId, seq, at: asyncScheduler.now(), path: '' } as const;
  return { event: { ...event, level: 'WARNING', message }, state };
}

/** Whether a life has ended without a result, or one that had begun is gone: taken back, or forgotten. */
async function isBroken(
  context: EngineContext,
  agent: Agent<never, unknown>,
  key: string,
  hadBegun: boolean,
): Promise<boolean> {
  const result = await resultOf(context, agent, key);
  if (result === 'unknown') return hadBegun;
  return typeof result === 'object' && result.broken !== undefined;
}

/** Whether a run begins with another input. Of a life that is not the first, whoever follows it has compared before. */
function isOtherInput<O>({ input, isRefusing, base }: Following<O>, transition: Transition<O>): boolean {
  const { event } = transition;
  const isFirst = event.type === 'run.started' || (event.type === 'run.resumed' && base.status === 'IDLE');
  if (!isFirst || !isRefusing || input === undefined) return false;
  // To read the state of a transition makes it.
  return !isDeepStrictEqual(input, event.type === 'run.started' ? event.input : transition.state.input);
}
