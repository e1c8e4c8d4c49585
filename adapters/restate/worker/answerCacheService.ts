import type { ObjectContext, ObjectSharedContext, Serde } from '@restatedev/restate-sdk';
import { handlers, object, serde } from '@restatedev/restate-sdk';

import type { AnswerCache, KeptAnswer } from '../../../lib/store/answerCache';
import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import { acceptKept, BODY } from './requests';
import type { ServiceOptions } from './serviceOptions';
import { retriedForEver } from './serviceOptions';

const SERVICE = 'millrace.answers';
const LOOK_MS = 5_000;

/** The service that remembers answers for other runs: an object for each, which forgets it when it is too old. */
export function answersService(options: ServiceOptions) {
  return object({
    name: SERVICE,
    handlers: {
      get: handlers.object.shared(
        { journalRetention: 0, input: BODY.none },
        (context: ObjectSharedContext): Promise<KeptAnswer | null> => context.get<KeptAnswer>('answer'),
      ),
      keep: handlers.object.exclusive(
        { journalRetention: 0, input: BODY.keep },
        async (context: ObjectContext, body: KeptAnswer): Promise<void> => {
          const answer = acceptKept(body);
          context.set('answer', answer);
          if (answer.expiresAt === undefined) return;
          context.genericSend({
            service: SERVICE,
            method: 'forget',
            key: context.key,
            parameter: {},
            delay: Math.max(0, answer.expiresAt - (await context.date.now())) + 1,
            inputSerde: serde.json as unknown as Serde<never>,
          });
        },
      ),
      forget: handlers.object.exclusive(
        { journalRetention: 0, ingressPrivate: true },
        async (context: ObjectContext): Promise<void> => {
          const answer = await context.get<KeptAnswer>('answer');
          // A newer answer stays.
          if ((answer?.expiresAt ?? Infinity) <= (await context.date.now())) context.clearAll();
        },
      ),
    },
    options: { retryPolicy: retriedForEver(options) },
  });
}

/** The answers that the server remembers. */
export function answersOn(ingress: Ingress): AnswerCache {
  const limits = { timeoutMs: LOOK_MS, patienceMs: LOOK_MS };
  return {
    async get(key) {
      const found = await ingress.request(handlerPath(SERVICE, key, 'get'), { ...limits, body: {} });
      return (found ?? undefined) as KeptAnswer | undefined;
    },
    async set(key, answer) {
      await ingress.request(handlerPath(SERVICE, key, 'keep/send'), { ...limits, body: answer });
    },
  };
}
