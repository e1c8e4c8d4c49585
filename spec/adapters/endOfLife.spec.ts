import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { endOfLife } from '../../adapters/restate/client/endOfLife';
import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { paceOf } from '../../adapters/restate/client/engineContext';
import { followLife } from '../../adapters/restate/client/followLife';
import { ingressOf } from '../../adapters/restate/protocol/ingress';
import type { LifeResult, StartRequest } from '../../adapters/restate/protocol/protocol';
import { agent } from '../../index';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { idleState } from '../../lib/model/state';

const one = agent('one', (n: number) => n);
const start: StartRequest = { runId: 'r', life: 1, at: 1, onMismatch: 'refuse', input: 1 };
const result: LifeResult = {
  status: 'COMPLETED',
  from: 0,
  events: [
    { type: 'run.started', at: 1, name: 'one', input: 1 },
    { type: 'run.completed', at: 2, output: 1, duration: 0 },
  ],
  parts: 0,
};

/** A gateway that answers with these statuses, then with the result, to somebody with this patience. */
async function gateway(patienceMs: number, ...statuses: readonly number[]) {
  const left = [...statuses];
  const server = createServer((request, response) => {
    const status = request.url?.endsWith('/output') === true ? 404 : (left.shift() ?? 200);
    response.statusCode = status;
    response.end(JSON.stringify(status === 200 ? result : { message: 'no' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const context: EngineContext = {
    ingress: ingressOf([`http://127.0.0.1:${port}`], patienceMs),
    admin: undefined,
    patienceMs,
    pace: paceOf(),
  };
  return { context, close: () => server.close() };
}

describe('endOfLife()', () => {
  /** Longer than a busy machine takes for all that is asked. */
  const LONG_MS = 15_000;
  const { signal } = new AbortController();

  it.each([
    ['reaches no server for a while', [502, 503]],
    ['holds no question open for long', [504, 504, 504, 504, 504]],
  ])('waits behind a gateway that %s', async (_, statuses) => {
    const { context, close } = await gateway(LONG_MS, ...statuses);
    expect(await endOfLife(context, one, 'r', start, signal)).toEqual(result);
    close();
  });

  it('fails when the gateway reaches no server for longer than the patience', async () => {
    const { context, close } = await gateway(400, ...Array<number>(50).fill(503));
    await expect(endOfLife(context, one, 'r', start, signal)).rejects.toThrow('503');
    close();
  });

  it('passes on what the server itself answers', async () => {
    const { context, close } = await gateway(LONG_MS, 500);
    await expect(endOfLife(context, one, 'r', start, signal)).rejects.toThrow('500');
    close();
  });
});

describe('followLife()', () => {
  it('refuses another input than that of the run, also where it hears of both with the end', async () => {
    const { context, close } = await gateway(15_000);
    const told: unknown[] = [];
    const following = {
      agent: one,
      runId: 'r',
      key: 'r',
      base: idleState('r', 'one', planOf(definitionOf(one) as Definition)),
      input: 2,
      isRefusing: true,
      tell: (transition: unknown) => told.push(transition),
      signal: new AbortController().signal,
    };

    await expect(followLife(context, following)).rejects.toMatchObject({ name: 'InputMismatchError' });
    expect(told).toEqual([]);
    close();
  });
});
