import { isDeepStrictEqual } from 'node:util';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import type { RunRequest } from '../../../lib/engine/engine';
import { replayedEnd } from '../../../lib/engine/resolveStart';
import { InputMismatchError } from '../../../lib/errors/runErrors';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { Transition } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import type { StartRequest } from '../protocol/protocol';
import { keyOf } from '../protocol/serviceNames';
import { LARGEST_VALUE } from '../protocol/wireLimits';
import { cancelLatest } from './cancelRun';
import type { EngineContext } from './engineContext';
import { followLife } from './followLife';
import { resultOf, stateAfter } from './lifeResult';

/**
 * Follows a run through the life that is under way, or begins one. Resolves with the state at its end.
 *
 * @param asks - Told before the server is asked to begin a life.
 */
export async function followRun<O>(
  context: EngineContext,
  request: RunRequest<O>,
  begins: boolean,
  tell: (transition: Transition<O>) => void,
  signal: AbortSignal,
  asks: (life: number) => void,
): Promise<RunState<O>> {
  const { agent, runId } = request;
  const definition = definitionOf(agent) as Definition;
  const input = jsonValue(request.input, '', { bytes: LARGEST_VALUE });
  let base: RunState<O> = idleState(runId, agent.name, planOf(definition));
  let seed: unknown;

  for (let life = 1; ; life += 1) {
    const key = keyOf(runId, life);
    const following = {
      agent,
      runId,
      key,
      base,
      input,
      tell,
      signal,
      isRefusing: request.onMismatch === 'refuse',
    };
    if (begins) {
      if (life === 1 && request.mustExist === true && (await resultOf(context, agent, key)) === 'unknown')
        throw new UnknownRunError(runId);
      const start: StartRequest = {
        runId,
        life,
        at: asyncScheduler.now(),
        onMismatch: request.onMismatch,
        ...(input !== undefined && { input }),
        ...(seed !== undefined && { seed }),
        ...(request.signal?.aborted === true && { isCancelled: true }),
      };
      if (!signal.aborted) asks(life);
      const end = await followLife(context, following, start);
      if (end !== 'known') return end;
    }
    const result = await resultOf(context, agent, key);
    if (result === 'unknown') throw new UnknownRunError(runId);
    if (result === 'under way') {
      if (begins && request.signal?.aborted === true) await cancelLatest(context, request, true, life);
      return (await followLife(context, following)) as RunState<O>;
    }
    const before = await stateAfter(context, following, result);
    base = before;
    // Only how its latest life stands counts.
    if ((await resultOf(context, agent, keyOf(runId, life + 1))) !== 'unknown') continue;
    if (!begins) return (await followLife(context, following)) as RunState<O>;
    const isChanged = input !== undefined && !isDeepStrictEqual(input, before.input);
    if (isChanged && request.onMismatch === 'refuse') throw new InputMismatchError(runId);
    if (before.status === 'COMPLETED' && !isChanged) {
      tell({ event: replayedEnd(before, asyncScheduler.now()), state: before });
      return before;
    }
    // Its output as it is used need not be JSON.
    seed = before.status === 'COMPLETED' ? StateCodec.encode({ ...before, output: undefined }) : undefined;
  }
}
