import { Observable } from 'rxjs';

import { notAnAgent } from '../../lib/definition/checks';
import { definitionOf } from '../../lib/definition/definition';
import { checkServices } from '../../lib/engine/local/givenServices';
import type { Agent } from '../../lib/model/agentType';
import type { Transition } from '../../lib/model/event';
import { InvalidArgumentError } from '../../lib/model/failure';
import type { Store } from '../../lib/store/store';
import type { ServeOptions } from './internal/runServer';
import { RunServer } from './internal/runServer';

/**
 * Serves the runs of a store: subscribing serves, unsubscribing stops. Tells the transitions of all of them, merged.
 *
 * Takes up what a crash or an earlier stop left, runs that have been answered or cancelled, by this process or another one, and
 * runs whose deadline has passed, at the start and while it lives. A run that fails tells `run.failed` and harms no other; one that cannot be carried
 * on, such as one of an agent that is not served, tells a `step.logged` WARNING and is left alone.
 *
 * It stops when it is unsubscribed, `signal` is aborted or, with `signals`, the process is told to end. Then no step begins any more; those
 * under way may go on for `drainMs`. Runs that have not ended are SUSPENDED then with `reason: 'drain'`: no crash is
 * counted, and whoever serves them next goes on with them. After that the stream completes, unless nobody listens.
 *
 * The stream errors with what the store threw when it can no longer be written; subscribing again serves on.
 *
 * @param agents - Whose runs are served, by their names.
 * @throws InvalidArgumentError when two agents have the same name, or an option is out of its range.
 * @throws StoreLockedError (in the stream) when another process writes to the store.
 */
export function serve(
  agents: readonly Agent<never, unknown>[],
  options: ServeOptions,
): Observable<Transition> {
  const byName = new Map<string, Agent<never, unknown>>();
  for (const agent of agents) {
    if (definitionOf(agent) === undefined) throw notAnAgent('serve', agent);
    if (byName.has(agent.name))
      throw new InvalidArgumentError(
        `Cannot serve two agents named "${agent.name}"`,
        'runs are found by the name of their agent: give each its own',
      );
    byName.set(agent.name, agent);
  }
  checkOptions(options);
  checkServices(options.services);
  return new Observable((subscriber) => {
    const server = new RunServer(byName, options, subscriber);
    server.begin();
    return () => {
      server.stop();
    };
  });
}

function checkOptions(options: ServeOptions): void {
  const { concurrency = 16, drainMs = 0, retry = 0, schedules = [] } = options;
  const store = options.store as Store | undefined;
  const names = schedules.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new InvalidArgumentError(`Cannot serve two schedules named "${twice}"`, 'give each its own name');
  if (store === undefined && Object.hasOwn(options, 'engine'))
    throw new InvalidArgumentError(
      'Cannot serve on an engine: it goes on with its runs by itself',
      "serve their agents with the engine's own, such as serveRestate() of millrace/restate",
    );
  if (typeof (store as Partial<Store> | undefined)?.attend !== 'function')
    throw new InvalidArgumentError(
      'Cannot serve without a store whose runs can be attended to',
      "give one, such as lowdbStore('./state')",
    );
  if (!(concurrency >= 1))
    throw new InvalidArgumentError(`concurrency is ${String(concurrency)}`, 'give 1 or more');
  if (!(drainMs >= 0)) throw new InvalidArgumentError(`drainMs is ${String(drainMs)}`, 'give milliseconds');
  const { count, delayMs = 0 } = typeof retry === 'number' ? { count: retry } : retry;
  if (!(count >= 0)) throw new InvalidArgumentError(`retry is ${String(count)}`, 'give a number of times');
  if (!(delayMs >= 0 && delayMs < Infinity))
    throw new InvalidArgumentError(`retry.delayMs is ${String(delayMs)}`, 'give milliseconds');
}
