import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { paceOf } from '../../adapters/restate/client/engineContext';
import { followLife } from '../../adapters/restate/client/followLife';
import type { EventsRequest, LifeResult, WireEvent } from '../../adapters/restate/protocol/protocol';
import { agent } from '../../index';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { idleState } from '../../lib/model/state';
import { until } from '../support/until';

const one = agent('one', (n: number) => n);
const at = 1;
const error = { name: 'Error', message: 'no', retryable: true };
const events: readonly WireEvent[] = [
  { type: 'run.started', at, name: 'one', input: 1 },
  { type: 'run.failed', at, error, duration: 0 },
];

describe('followLife()', () => {
  it('tells the end of a run once its life is over: others can go on with it then', async () => {
    let release = (_: LifeResult): void => undefined;
    const over = new Promise<LifeResult>((resolve) => (release = resolve));
    const context: EngineContext = {
      admin: undefined,
      patienceMs: 15_000,
      pace: paceOf(),
      ingress: {
        request(path, options) {
          if (path.endsWith('/attach')) return over;
          const { from, parts } = options?.body as EventsRequest;
          if (from < events.length)
            return Promise.resolve({ events, parts: [], nextFrom: events.length, nextParts: parts });
          return new Promise((_, reject) => {
            options?.signal?.addEventListener('abort', () => {
              reject(new Error('left'));
            });
          });
        },
      },
    };
    const base = idleState('r', 'one', planOf(definitionOf(one) as Definition));
    const { signal } = new AbortController();
    const told: string[] = [];
    const tell = ({ event }: { readonly event: { readonly type: string } }): void => {
      told.push(event.type);
    };
    const life = {
      agent: one,
      runId: 'r',
      key: 'r',
      base,
      input: undefined,
      isRefusing: false,
      tell,
      signal,
    };
    const followed = followLife(context, life as never);
    await until(() => told.length > 0);
    expect(told).toEqual(['run.started']);

    release({ status: 'FAILED', from: events.length, events: [], parts: 0 });
    await expect(followed).resolves.toMatchObject({ status: 'FAILED' });
    expect(told).toEqual(['run.started', 'run.failed']);
  });
});
