import { latestLife } from '../../adapters/restate/client/latestLife';
import { readEvents } from '../../adapters/restate/client/readEvents';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import type { EventsRequest, WireEvent } from '../../adapters/restate/protocol/protocol';
import { lifeOf } from '../../adapters/restate/protocol/serviceNames';
import type { RunEvent } from '../../index';
import { agent, chain } from '../../index';
import { RunState as StateCodec } from '../../lib/codec/stateCodec';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { idleState } from '../../lib/model/state';
import { askingBy } from './support/fakeServer';

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
  const context = askingBy((path, options) => {
    if (path.endsWith('/output')) return Promise.reject(new IngressError(470, path, 'not yet'));
    questions += 1;
    const { from, parts } = options?.body as EventsRequest;
    const some = events.slice(from, from + most);
    return Promise.resolve({ events: some, parts: [], nextFrom: from + some.length, nextParts: parts });
  }, patienceMs);
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

describe('latestLife() of a life that has told how it ends', () => {
  const ends: WireEvent = {
    type: 'run.failed',
    at,
    error: { name: 'Error', message: 'no', retryable: true },
    duration: 0,
  };
  const sleeps: WireEvent = { type: 'run.suspended', at, waiting: [], reason: 'drain', duration: 0 };

  /** A server on which the first life is under way for so many questions more, and tells these events. */
  const ending = (questions: number, last: WireEvent) => {
    let asked = 0;
    const events = [...told.slice(0, 3), last];
    const context = askingBy((path, options) => {
      if (path.endsWith('/events')) {
        const { from, parts } = options?.body as EventsRequest;
        const rest = events.slice(from);
        return Promise.resolve({ events: rest, parts: [], nextFrom: events.length, nextParts: parts });
      }
      if (path.startsWith('/restate/invocation/')) return Promise.resolve(404);
      if (path.endsWith('/get')) return Promise.resolve(null);
      if (path.includes('2~r')) return Promise.reject(new IngressError(404, path, 'invocation not found'));
      asked += 1;
      return asked <= questions
        ? Promise.reject(new IngressError(470, path, 'not yet'))
        : Promise.resolve({ status: 'FAILED', from: events.length, events: [], parts: 0 });
    });
    return context;
  };

  it('is that life once it is over: whoever hears of the end can go on with the run, or give it up', async () => {
    await expect(latestLife(ending(3, ends), line, 'r')).resolves.toMatchObject({
      life: 1,
      isUnderWay: false,
      state: { status: 'FAILED' },
    });
  });

  it('is one of a run that goes on, where it ends because that sleeps', async () => {
    const latest = await latestLife(ending(Infinity, sleeps), line, 'r');

    expect(latest).toMatchObject({ isUnderWay: true, state: { status: 'RUNNING' } });
    expect(latest?.state.reason).toBeUndefined();
  });
});

describe('latestLife() of a run that has been answered often', () => {
  /** A server with a run of so many lives, each of which rests; it still keeps all of them. */
  const rested = (lives: number) => {
    const asked: string[] = [];
    const state = {
      ...idleState('r', 'line', planOf(definitionOf(line) as Definition)),
      status: 'SUSPENDED' as const,
    };
    const record = { life: lives, status: 'SUSPENDED', isResting: true, answers: [], chunks: 1 };
    const context = askingBy((path, options) => {
      asked.push(path);
      if (path.startsWith('/restate/invocation/')) return Promise.resolve(470);
      if (path.endsWith('/get'))
        return Promise.resolve({
          ...record,
          text: JSON.stringify(StateCodec.encode({ ...state, life: lives })),
        });
      if (options?.body !== undefined) return Promise.reject(new Error(path));
      const { life } = lifeOf(decodeURIComponent(path.split('/').at(-2) ?? ''));
      return life > lives
        ? Promise.reject(new IngressError(404, path, 'invocation not found'))
        : Promise.resolve({ status: 'SUSPENDED', from: 0, events: [], parts: 0 });
    });
    return { context, asked };
  };

  it.each([1, 2, 3, 200])('asks as much after %d lives', async (lives) => {
    const { context, asked } = rested(lives);

    await expect(latestLife(context, line, 'r')).resolves.toMatchObject({
      life: lives,
      isUnderWay: false,
      state: { life: lives, status: 'SUSPENDED' },
    });
    expect(asked).toHaveLength(4);
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
