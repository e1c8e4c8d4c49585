import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { keepRunsGoing } from '../../adapters/restate/worker/keepRunsGoing';
import { agent } from '../../index';

const plain = agent('plain', (n: number) => n);

const realTimeout = setTimeout;
/** Real time in which what is asked is answered: timers of the worker that pass meanwhile would be those of a server that hangs. */
const moment = () => new Promise((resolve) => realTimeout(resolve, 2));
/** Lets moments pass until something holds, and before each of them does something. */
const passUntil = async (is: () => boolean, before?: () => Promise<void>): Promise<void> => {
  for (let moments = 0; !is(); moments += 1) {
    if (moments === 5_000) throw new Error('it did not happen');
    await before?.();
    await moment();
  }
};

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('a worker that looks after runs', () => {
  it('says once that it cannot ask the admin, and again when that has answered in between', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    let isAway = true;
    const asked: boolean[] = [];
    const server = createServer((_, response) => {
      asked.push(isAway);
      response.statusCode = isAway ? 403 : 200;
      response.end(JSON.stringify(isAway ? { message: 'not for you' } : { rows: [] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const admin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const stop = await keepRunsGoing({
      agents: [],
      addresses: [admin],
      admin,
      uri: 'http://127.0.0.1:1',
      register: () => Promise.resolve({ id: 'dp_1', services: ['s'] }),
    });
    const looks = async (count: number): Promise<void> => {
      const until = asked.length + count;
      await passUntil(
        () => asked.length >= until,
        () => jest.advanceTimersByTimeAsync(1_250),
      );
    };

    await looks(3);
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(/^Cannot look for runs that nobody brings on.* 5 s: .*403.*not for you$/),
    ]);
    isAway = false;
    await looks(2);
    isAway = true;
    await looks(2);
    await passUntil(() => warn.mock.calls.length >= 2);
    expect(warn).toHaveBeenCalledTimes(2);

    await stop();
    jest.useRealTimers();
    warn.mockRestore();
    await new Promise((resolve) => server.close(resolve));
  });

  it('moves what it serves itself, one by one, from the address of a worker that served more', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const told: string[] = [];
    const stuck = {
      id: 'inv_1',
      status: 'backing-off',
      pinned_deployment_id: 'dp_dead',
      last_attempt_deployment_id: 'dp_dead',
    };
    const deployments = [
      { id: 'dp_dead', uri: 'http://127.0.0.1:1', services: [{ name: 's' }, { name: 'other' }] },
      { id: 'dp_here', uri: 'http://127.0.0.1:2', services: [{ name: 's' }] },
    ];
    const server = createServer((request, response) => {
      if (request.method === 'PATCH') told.push(request.url ?? '');
      const rows = request.method === 'POST' && told.length === 0 ? [stuck] : [];
      response.end(JSON.stringify(request.method === 'GET' ? { deployments } : { rows }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const admin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const stop = await keepRunsGoing({
      agents: [],
      addresses: [admin],
      admin,
      uri: 'http://127.0.0.1:2',
      register: () => {
        told.push('registered');
        return Promise.resolve({ id: 'dp_here', services: ['s'] });
      },
    });
    expect(told.splice(0)).toEqual(['registered']);
    await passUntil(
      () => warn.mock.calls.length > 0,
      () => jest.advanceTimersByTimeAsync(1_250),
    );

    expect(told).toEqual([
      'registered',
      '/invocations/inv_1/pause',
      '/invocations/inv_1/resume?deployment=dp_here',
    ]);
    expect(String(warn.mock.calls[0]?.[0])).toMatch(/^Nobody answers at http:\/\/127\.0\.0\.1:1 any more/);

    await stop();
    jest.useRealTimers();
    warn.mockRestore();
    await new Promise((resolve) => server.close(resolve));
  });

  /** A server, also as admin, that is asked and answers as it is told; the look under way is broken off when it is asked for this. */
  async function lookedAt(
    at: string,
    answer: (path: string) => unknown,
    register?: () => Promise<{ readonly id: string; readonly services: readonly string[] }>,
  ): Promise<{ readonly asked: readonly string[]; readonly warned: readonly string[] }> {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const asked: string[] = [];
    const held: (() => void)[] = [];
    const server = createServer((request, response) => {
      const path = `${request.method ?? ''} ${request.url ?? ''}`;
      asked.push(path);
      const reply = (): void => {
        response.end(JSON.stringify(answer(path)));
      };
      if (path.includes(at)) held.push(reply);
      else reply();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const stop = await keepRunsGoing({
      agents: [plain],
      addresses: [address],
      admin: address,
      uri: 'http://127.0.0.1:2',
      ...(register && { register }),
    });
    await passUntil(
      () => held.length > 0,
      () => jest.advanceTimersByTimeAsync(1_250),
    );
    await stop();
    const before = asked.length;
    for (const reply of held) reply();
    jest.useRealTimers();
    // Whatever was to come of the answer.
    for (let i = 0; i < 50; i += 1) await moment();
    expect(asked.slice(before)).toEqual([]);
    const warned = warn.mock.calls.map(([text]) => String(text));
    warn.mockRestore();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return { asked, warned };
  }

  const misfits = ['a', 'b'].map((key) => ({
    target_service_key: key,
    id: `inv_${key}`,
    status: 'backing-off',
    last_failure: 'x',
    last_failure_error_code: 'RT0016',
  }));

  it.each(['/query', '/replace'])('breaks off its look when it is closed, at %s', async (at) => {
    const { asked, warned } = await lookedAt(at, (path) =>
      path.includes('/query') ? { rows: misfits } : {},
    );

    expect(asked.at(-1)).toContain(at);
    expect(asked.filter((path) => /kill|send/.test(path))).toEqual([]);
    expect(warned).toEqual([]);
  });

  it('does not register again once it is closed', async () => {
    let registered = 0;
    const row = { id: 'inv_1', status: 'paused', last_attempt_deployment_id: 'dp_dead' };
    const dead = { id: 'dp_dead', uri: 'http://127.0.0.1:1', services: [{ name: 's' }, { name: 'other' }] };
    await lookedAt(
      'GET /deployments',
      (path) => (path.startsWith('GET') ? { deployments: [dead] } : { rows: [row] }),
      () => Promise.resolve({ id: `dp_${String((registered += 1))}`, services: ['s'] }),
    );

    expect(registered).toBe(1);
  });
});
