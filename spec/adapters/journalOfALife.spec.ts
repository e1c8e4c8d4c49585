import type { LifeResult, RestRequest, StartRequest } from '../../adapters/restate/protocol/protocol';
import { runsService } from '../../adapters/restate/worker/runsService';
import { agent, chain, sleep } from '../../index';
import { serviceSettings } from './support/serviceSettings';

const napping = chain(
  'napping',
  agent('count', (n: number) => n + 1),
  sleep('nap', 600_000),
  agent('then', String),
);
const { workflow } = runsService(napping, serviceSettings()) as unknown as {
  readonly workflow: {
    readonly run: (context: unknown, request: Partial<StartRequest>) => Promise<LifeResult>;
  };
};

/** What a life asks the server for, in order: its journal. A life that is asked once more after that waits for ever. */
async function journalOf(request: Partial<StartRequest>, kept?: RestRequest) {
  const journal: string[] = [];
  let rest: RestRequest | undefined;
  const note = <T>(entry: string, answer?: T): Promise<T> => {
    journal.push(entry);
    return Promise.resolve(answer as T);
  };
  const record = kept && { ...kept, isResting: true };
  const context = {
    key: request.life === 1 ? 'r' : `${String(request.life)}~r`,
    set: (name: string) => note(`set ${name}`),
    request: () => ({ id: 'inv_1', attemptCompletedSignal: new AbortController().signal }),
    rand: { uuidv4: () => 'secret' },
    sleep: (ms: number) => note(`sleep ${String(ms)}`),
    run: async (name: string, call: () => unknown) => note(`run ${name}`, await call()),
    promise: (name: string) => ({
      get: () => note(`get ${name}`),
      peek: () => note(`peek ${name}`),
      resolve: () => note(`resolve ${name}`),
    }),
    genericCall: ({ method, parameter }: { readonly method: string; readonly parameter: unknown }) => {
      if (method === 'rest') rest = parameter as RestRequest;
      return note(`call ${method}`, method === 'take' ? record : undefined);
    },
    genericSend: ({ method }: { readonly method: string }) => note(`send ${method}`),
  };
  const begin = { runId: 'r', onMismatch: 'refuse', secret: 's', ...request } as const;
  const { status } = await workflow.run(context, begin);
  return { journal, status, rest };
}

/**
 * A life that began under one version of Millrace is replayed by the next one, when that is served at the same address. So whoever changes
 * one of these lists says in the changelog that lives under way have to end first, or their workers to be kept: docs/scaling.md.
 */
describe('what a life asks the server for', () => {
  it('is this, in this order, where it falls asleep, and when it has woken', async () => {
    const first = await journalOf({ life: 1, at: 1_000, input: 1 });
    expect(first).toMatchObject({
      status: 'SUSPENDED',
      journal: [
        'set self',
        'run count',
        'sleep 600000',
        'peek cancel asked',
        'peek in:0',
        'peek in:0',
        'resolve in:0',
        'call rest',
      ],
    });

    const second = await journalOf({ life: 2, at: 4_000_000_000_000 }, first.rest);
    expect(second).toMatchObject({
      status: 'COMPLETED',
      journal: ['set self', 'call take', 'set self', 'sleep 0', 'run then', 'send ended'],
    });
  });

  it('is this where it is cancelled', async () => {
    const first = await journalOf({ life: 1, at: 1_000, input: 1 });
    const second = await journalOf({ life: 2, at: 2_000, isCancelled: true }, first.rest);

    expect(second).toMatchObject({
      status: 'CANCELLED',
      journal: [
        'set self',
        'call take',
        'set self',
        'peek cancel asked',
        'peek in:0',
        'peek in:0',
        'resolve in:0',
        'call rest',
      ],
    });
  });
});
