import type { Observable } from 'rxjs';

import { notAnAgent } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import type { RunEngine, RunRequest } from '../../lib/engine/engine';
import { checkServices } from '../../lib/engine/local/givenServices';
import { claimAndRun } from '../../lib/engine/local/runLife';
import { newRunId } from '../../lib/engine/newRunId';
import type { RunOptions, RunSettings } from '../../lib/engine/runOptions';
import { checkedWhere, checkTags } from '../../lib/engine/runOptions';
import type { Agent } from '../../lib/model/agentType';
import type { Transition } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import { ephemeralStore } from '../../lib/store/memory/ephemeralStore';

/** The input may be left out where `undefined` is one. */
export type RunArguments<I, Options> = undefined extends I
  ? readonly [input?: I, options?: Options]
  : readonly [input: I, options?: Options];

/**
 * Runs an agent, a chain or a workflow on one input: a cold stream of transitions. Subscribing starts the run or goes on
 * with it, unsubscribing cancels it.
 *
 * A run that the store knows goes on from where it stood: what has finished is not called again. A run that has completed
 * only tells its end again. Without a store, and so without a `runId`, every subscription to the same Observable is the
 * same run: RxJS's own `retry()` resumes it.
 *
 * The stream errors with a `RunError` after `run.failed`, and with what the store threw when it can no longer be written.
 *
 * @throws RunActiveError (in the stream) while another subscriber carries on the same run.
 * @throws InputMismatchError, DefinitionMismatchError (in the stream) when the saved run is another one.
 */
export function run<I, O>(
  agent: Agent<I, O>,
  ...[input, options = {}]: RunArguments<I, RunOptions>
): Observable<Transition<O>> {
  if (definitionOf(agent) === undefined) {
    throw notAnAgent('run', agent);
  }
  checkTags('run', options.tags);
  checkServices(options.services);
  const runId = options.runId ?? (options.newRunId ?? newRunId)();
  const isSomewhere = options.engine !== undefined || options.store !== undefined;
  const { store, engine } = isSomewhere ? checkedWhere(`run "${agent.name}"`, options, 'claim') : {};
  if (engine !== undefined) return runOn(engine, { agent, input, runId }, options);
  return claimAndRun<O>({ rest: store ?? ephemeralStore(), runId, agent, input, mustExist: false, options });
}

/**
 * Hands a run to an engine.
 *
 * @throws InvalidArgumentError for options that only mean something in this process.
 */
export function runOn<O>(
  engine: RunEngine,
  asked: Pick<RunRequest<O>, 'agent' | 'input' | 'runId' | 'mustExist'>,
  options: RunSettings,
): Observable<Transition<O>> {
  for (const name of ['maxCrashes', 'recordInputs', 'scheduler', 'services', 'tags'] as const) {
    if (options[name] !== undefined)
      throw new InvalidArgumentError(
        `Cannot run with both an engine and "${name}": the engine decides that`,
        name === 'services' ? 'give them to serveRestate(agents, { services })' : `leave out "${name}"`,
      );
  }
  const { onMismatch = 'refuse', signal } = options;
  return engine.run<O>({ ...asked, onMismatch, signal });
}
