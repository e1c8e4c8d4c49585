import type { Context } from '@restatedev/restate-sdk';
import { handlers, service, TerminalError } from '@restatedev/restate-sdk';

import type { Definition, FunctionDefinition } from '../../../lib/definition/definition';
import { definitionOf, isStructure } from '../../../lib/definition/definition';
import { hasSaga } from '../../../lib/engine/interpreter/cancellation';
import { newTask } from '../../../lib/engine/task';
import type { Agent } from '../../../lib/model/agentType';
import { StepTable } from '../../../lib/model/stepTable';
import type { CallResult, StepRequest } from '../protocol/protocol';
import { serviceOf, stepsServiceOf } from '../protocol/serviceNames';
import { answersOn } from './answerCacheService';
import type { InProcessCall } from './callInProcess';
import { callInProcess } from './callInProcess';
import { eventPublisher } from './eventPublisher';
import { nestedSoFar } from './nestedRows';
import type { ServiceOptions } from './serviceOptions';
import { serviceSettings } from './serviceOptions';

/** The service that calls single agents of a definition, for runs that are carried out on another worker. */
export function stepsService(agent: Agent<never, unknown>, pool: string, options: ServiceOptions) {
  const definition = definitionOf(agent) as Definition;
  const runs = serviceOf(definition);
  const table = agentTable(definition);
  const keepsNested = hasSaga(definition);
  return service({
    name: stepsServiceOf(runs, pool),
    handlers: {
      // Only lives call it: a stranger would call a function past its approval.
      call: handlers.handler(
        { ingressPrivate: true },
        async (context: Context, request: StepRequest): Promise<CallResult> => {
          const called = table[request.agent];
          if (called === undefined) throw new TerminalError(`There is no agent ${request.agent} in ${runs}`);
          const { path, attempt, revision = 0, timeoutMs, idleTimeoutMs, keepPartials } = request;
          const { limit, circuit } = called.policy;
          const policy = {
            ...(timeoutMs !== undefined && { timeoutMs }),
            ...(idleTimeoutMs !== undefined && { idleTimeoutMs }),
            ...(limit !== undefined && { limit }),
            ...(circuit !== undefined && { circuit }),
          };
          const task = newTask(undefined, path, called, policy, request.input, () => undefined);
          task.attempt = attempt;
          task.revision = revision;
          const publisher = eventPublisher(options.ingress, runs, request, () => []);
          const underWay = new Set<InProcessCall>();
          const call = callInProcess({
            run: {
              runId: request.runId,
              ...(request.incarnation !== undefined && { incarnation: request.incarnation }),
            },
            task,
            input: request.input,
            publisher,
            keepPartials,
            keepsNested,
            cache: answersOn(options.ingress),
            services: options.services,
            onMismatch: request.onMismatch ?? 'refuse',
            underWay,
            known: () => nestedSoFar(options.ingress, runs, request.key, task, StepTable.of(request.below)),
          });
          context.request().attemptCompletedSignal.addEventListener('abort', () => {
            call.abandon();
            publisher.close();
          });
          try {
            return await context.run(path, () => call.run(), { maxRetryAttempts: 1 });
          } finally {
            call.stop();
            publisher.close();
          }
        },
      ),
    },
    options: serviceSettings(options),
  });
}

/**
 * Every agent with a function that a definition consists of, in an order that is the same in every process: so a step can
 * be named by its agent's position when it is called on another worker.
 */
export function agentTable(root: Definition): readonly FunctionDefinition[] {
  return allIn(root).filter((definition): definition is FunctionDefinition => !isStructure(definition));
}

function allIn(root: Definition): readonly Definition[] {
  const seen = new Set<Definition>();
  const visit = (definition: Definition): void => {
    if (seen.has(definition)) return;
    seen.add(definition);
    if (isStructure(definition))
      for (const { agent } of definition.parts) visit(definitionOf(agent) as Definition);
  };
  visit(root);
  return [...seen];
}
