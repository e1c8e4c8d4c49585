import type { Context } from '@restatedev/restate-sdk';
import { service, TerminalError } from '@restatedev/restate-sdk';

import type { Definition } from '../../lib/graph/definition';
import { definitionOf } from '../../lib/graph/definition';
import type { Agent } from '../../lib/model/agent';
import { newTask } from '../../operators/engineKit';
import { agentTable, hasSaga } from './agentTable';
import { answersOn } from './answers';
import type { HereCall } from './callHere';
import { callHere } from './callHere';
import { serviceOf, stepsServiceOf } from './names';
import { nestedSoFar } from './nestedSoFar';
import type { CallResult, StepRequest } from './protocol';
import type { ServiceOptions } from './serviceOptions';
import { serviceSettings } from './serviceOptions';
import { tellerOf } from './teller';

/** The service that calls single agents of a definition, for runs that are carried out on another worker. */
export function stepsService(agent: Agent<never, unknown>, pool: string, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const runs = serviceOf(definition);
  const table = agentTable(definition);
  const keepsBelow = hasSaga(definition);
  return service({
    name: stepsServiceOf(runs, pool),
    handlers: {
      call: async (context: Context, request: StepRequest): Promise<CallResult> => {
        const called = table[request.agent];
        if (called === undefined) throw new TerminalError(`There is no agent ${request.agent} in ${runs}`);
        const { path, attempt, revision = 0, timeoutMs, idleTimeoutMs, keepPartials } = request;
        const policy = {
          ...(timeoutMs !== undefined && { timeoutMs }),
          ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
        };
        const task = newTask(undefined, path, called, policy, request.input, () => undefined);
        task.attempt = attempt;
        task.revision = revision;
        const teller = tellerOf(options.ingress, runs, request.key, () => []);
        const underWay = new Set<HereCall>();
        const call = callHere({
          runId: request.runId,
          task,
          input: request.input,
          teller,
          keepPartials,
          keepsBelow,
          cache: answersOn(options.ingress),
          limit: called.policy.limit,
          underWay,
          known: () => nestedSoFar(options.ingress, runs, request.key, path, undefined),
        });
        context.request().attemptCompletedSignal.addEventListener('abort', () => {
          call.abandon();
          teller.close();
        });
        try {
          return await context.run(path, () => call.run(), { maxRetryAttempts: 1 });
        } finally {
          call.stop();
          teller.close();
        }
      },
    },
    options: serviceSettings(options),
  });
}
