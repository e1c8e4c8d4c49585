import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { watchLife } from '../../adapters/restate/client/watchLife';
import { agent } from '../../index';

describe('watching a life', () => {
  it.each([
    ['nobody who could answer has answered', 'TimeoutError', false],
    ['the server is away, which its end tells', 'EngineUnreachableError', true],
  ])('%s', async (_, name, isAnswered) => {
    const stop = new AbortController();
    const context: EngineContext = {
      ingress: { request: () => Promise.reject(Object.assign(new Error('nothing'), { name })) },
      admin: undefined,
      patienceMs: 0,
      pace: {
        begin: () => undefined,
        end: () => undefined,
        after: () => 0,
        isCrowded: () => false,
        crowdMs: () => 0,
        fallAsleep: () => () => undefined,
        napMs: () => 0,
        isDormitory: () => false,
      },
    };
    const heard = new Promise((resolve) => {
      const life = { agent: agent('one', (n: number) => n), key: 'life' };
      void watchLife(context, life, undefined as never, { from: 0, parts: 0 }, stop.signal, resolve);
    });

    expect(await heard).toBe(isAnswered);
    stop.abort();
  });
});
