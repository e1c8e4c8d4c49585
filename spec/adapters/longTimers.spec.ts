import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { Sleepers } from '../../adapters/restate/client/sleepers';
import { stalled } from '../../adapters/restate/client/stalled';
import { exchange, targetOf } from '../../adapters/restate/protocol/exchange';
import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { ingressOf } from '../../adapters/restate/protocol/ingress';
import { pause, callAfter } from '../../adapters/restate/protocol/pause';
import { agent } from '../../index';

const DAY_MS = 86_400_000;
const never = new AbortController().signal;

describe('what waits for longer than the 24.8 days that Node can wait', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it.each([1, 24, 25, 30, 49, 50, 400])('%d days long, it waits to the millisecond', async (days) => {
    const then = jest.fn();
    callAfter(days * DAY_MS, then);
    await jest.advanceTimersByTimeAsync(days * DAY_MS - 1);
    expect(then).not.toHaveBeenCalled();

    await jest.advanceTimersByTimeAsync(1);
    expect(then).toHaveBeenCalledTimes(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('for ever, it needs no timer', () => {
    const stop = callAfter(Infinity, () => undefined);

    expect(jest.getTimerCount()).toBe(0);
    stop();
  });

  it('stops at once, in its second month too', async () => {
    const then = jest.fn();
    const stop = callAfter(40 * DAY_MS, then);
    await jest.advanceTimersByTimeAsync(30 * DAY_MS);
    stop();

    expect(jest.getTimerCount()).toBe(0);
    await jest.advanceTimersByTimeAsync(30 * DAY_MS);
    expect(then).not.toHaveBeenCalled();
  });

  it('is a pause of a month', async () => {
    let isOver = false;
    void pause(30 * DAY_MS, never).then(() => {
      isOver = true;
    });
    await jest.advanceTimersByTimeAsync(29 * DAY_MS);
    expect(isOver).toBe(false);

    await jest.advanceTimersByTimeAsync(DAY_MS);
    expect(isOver).toBe(true);
  });

  it('is a run of a crowd that sleeps for a month: it is not woken a thousand times a second', async () => {
    const admin: Ingress = { request: () => Promise.resolve({ rows: [] }) };
    const stop = new AbortController();
    let woken = 0;
    const begun = new Sleepers(admin).begun('s', 'r', stop.signal, 30 * DAY_MS).then(() => {
      woken += 1;
    });
    await jest.advanceTimersByTimeAsync(60_000);
    expect(woken).toBe(0);

    stop.abort();
    await begun;
    expect(jest.getTimerCount()).toBe(0);
  });

  it('is a run that was submitted for later: nobody is to begin it, so it does not stall', async () => {
    let status = 'scheduled';
    const admin: Ingress = { request: () => Promise.resolve({ rows: [{ id: 'inv', status }] }) };
    const context: EngineContext = { ingress: admin, admin, patienceMs: 30_000, pace: undefined as never };
    const stop = new AbortController();
    const failed = jest.fn();
    const signs = { begunAt: Date.now(), isBegun: () => false, isAnswered: () => true };
    stalled(
      context,
      agent('one', (n: number) => n),
      { runId: 'r', key: 'r' },
      signs,
      stop.signal,
      () => undefined,
    ).catch(failed);
    await jest.advanceTimersByTimeAsync(600_000);
    expect(failed).not.toHaveBeenCalled();

    // It is due, and nobody takes it.
    status = 'ready';
    await jest.advanceTimersByTimeAsync(29_000);
    expect(failed).not.toHaveBeenCalled();
    await jest.advanceTimersByTimeAsync(4_000);
    expect(failed).toHaveBeenCalledWith(expect.objectContaining({ name: 'RunStalledError' }));
    stop.abort();
  });
});

describe('a patience without end, or of months', () => {
  it.each([Infinity, 30 * DAY_MS])('waits for an answer that takes its time: %d ms', async (patienceMs) => {
    const server = createServer((_, response) => {
      setTimeout(() => response.end('{"a":1}'), 200);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      await expect(
        exchange(targetOf(address), '/', { method: 'GET', timeoutMs: patienceMs }),
      ).resolves.toMatchObject({
        status: 200,
      });
      await expect(
        ingressOf([address], patienceMs).request('/x', { timeoutMs: patienceMs }),
      ).resolves.toEqual({ a: 1 });
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
