import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../lib/codec/jsonValue';
import { notAnAgent } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import type { SubmitRequest } from '../../lib/engine/engine';
import { newRunId } from '../../lib/engine/newRunId';
import type { Where } from '../../lib/engine/runOptions';
import { checkedWhere, checkTags } from '../../lib/engine/runOptions';
import { checkRunId } from '../../lib/errors/storageErrors';
import type { Agent } from '../../lib/model/agentType';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';

/** Where the run is queued, and when it begins. */
export type SubmitOptions = SubmitRequest &
  Where<Pick<Store, 'queue' | 'isServed'>> & {
    /** How many runs may wait in a store, this one included; 100,000 when left out. */
    readonly maxBacklog?: number;
  };

/** What has become of a run that was submitted. */
export interface SubmitReceipt {
  /** The id of the run. */
  readonly runId: string;
  /** `queued`: it waits for its turn. `known`: a run of this id waits already, has begun, or has ended; nothing was changed. */
  readonly became: 'queued' | 'known';
  /** Whether somebody is there who begins it; otherwise it waits until somebody serves. */
  readonly isServed: boolean;
}

/**
 * Hands a run to whoever serves the store, in this process or another one, now or later: it begins when those before it have. What is
 * submitted again under the same `runId` is the same run. `store.queue` says how many wait, and takes one back.
 *
 * @throws BacklogFullError when `maxBacklog` runs wait. Several processes that submit at once may pass it by what they add in a second.
 * @throws StateValueError when the input is no plain JSON.
 * @throws InvalidArgumentError when an option is out of its range, or the engine cannot do what it asks for.
 */
export async function submit<I>(
  agent: Agent<I, unknown>,
  input: I,
  options: SubmitOptions,
): Promise<SubmitReceipt> {
  if (definitionOf(agent) === undefined) throw notAnAgent('submit', agent);
  const { store, engine } = checkedWhere(`submit a run of "${agent.name}"`, options, 'isServed');
  const { runId = newRunId(), priority = 0, delayMs = 0, tags, maxBacklog = 100_000 } = options;
  checkRunId(runId);
  if (!Number.isFinite(priority)) throw outOfRange('priority', priority, 'a number');
  if (typeof delayMs !== 'number' || !(delayMs >= 0 && delayMs < 8.64e15))
    throw outOfRange('delayMs', delayMs, 'milliseconds');
  if (!(maxBacklog >= 1)) throw outOfRange('maxBacklog', maxBacklog, '1 or more');
  checkTags('submit a run', tags);
  const kept = jsonValue(input, '');
  if (engine !== undefined) {
    if (options.maxBacklog !== undefined)
      throw new InvalidArgumentError(
        'Cannot submit a run to an engine with "maxBacklog": it keeps its own queue',
        'leave out "maxBacklog"',
      );
    if (engine.submit === undefined)
      throw new InvalidArgumentError('Cannot submit a run to this engine: it has no queue', 'use run()');
    const { became } = await engine.submit(agent, kept, { ...options, runId });
    return { runId, became, isServed: true };
  }
  const isNew = await store.queue.add(
    {
      runId,
      name: agent.name,
      priority,
      ...(kept !== undefined && { input: kept }),
      ...(delayMs > 0 && { dueAt: asyncScheduler.now() + delayMs }),
      ...(tags !== undefined && { tags }),
    },
    maxBacklog,
  );
  return { runId, became: isNew ? 'queued' : 'known', isServed: await store.isServed() };
}

function outOfRange(name: string, value: number, what: string): InvalidArgumentError {
  return new InvalidArgumentError(`Cannot submit a run: ${name} is ${String(value)}`, `give ${what}`);
}
