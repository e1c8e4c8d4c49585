import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { latestLife } from '../../adapters/restate/client/latestLife';
import { readEvents } from '../../adapters/restate/client/readEvents';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import type { EventsRequest, WireEvent } from '../../adapters/restate/protocol/protocol';
import type { RunEvent } from '../../index';
import { agent, chain } from '../../index';

const line = chain(
  'line',
  agent('a', (n: number) => n),
  agent('b', (n: number) => n),
);

const at = 1;
const told: readonly WireEvent[] = [
  { type: 'run.started', at, name: 'line', input: 1 },
  { type: 'step.started', at, path: 'a', agent: 'a', attempt: 1 },
  { type: 'step.completed', at, path: 'a', agent: 'a', attempt: 1, output: 1, duration: 0 },
  { type: 'step.started', at, path: 'b', agent: 'b', attempt: 1 },
];

/** A server with a life under way that tells as many of these events in one message. */
function telling(events: readonly WireEvent[], most: number, patienceMs = 15_000) {
  let questions = 0;
  const context: EngineContext = {
    admin: undefined,
    patienceMs,
    pace: undefined as never,
    ingress: {
      request(path, options) {
        if (path.endsWith('/output')) return Promise.reject(new IngressError(470, path, 'not yet'));
        questions += 1;
        const { from, parts } = options?.body as EventsRequest;
        const some = events.slice(from, from + most);
        return Promise.resolve({ events: some, parts: [], nextFrom: from + some.length, nextParts: parts });
      },
    },
  };
  return { context, questions: () => questions };
}

describe('latestLife()', () => {
  it('reads a life under way to where it stands, however many messages that takes', async () => {
    const { context, questions } = telling(told, 1);
    const latest = await latestLife(context, line, 'r');

    expect(latest).toMatchObject({ life: 1, state: { status: 'RUNNING', input: 1 } });
    expect([...(latest?.state.steps ?? [])].map(({ stepId, status }) => [stepId, status])).toEqual([
      ['a', 'COMPLETED'],
      ['b', 'RUNNING'],
    ]);
    expect(questions()).toBe(told.length + 1);
  });
});

describe('readEvents()', () => {
  it('gives up when the server keeps no longer what it has told', async () => {
    const { context } = telling([], 1, 200);
    const { signal } = new AbortController();
    const follow = { events: () => undefined, parts: () => undefined, state: () => undefined as never };
    const life = { agent: line, key: '2~r', signal };

    await expect(
      readEvents<RunEvent>(context, life, follow, { from: 0, parts: 0 }, { upTo: { from: 3, parts: 0 } }),
    ).rejects.toMatchObject({ name: 'UnknownRunError', runId: 'r' });
  });
});
