import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import type { Agent } from '../../index';
import { agent, approval, chain, execute, run, saga, sleep } from '../../index';
import { collect } from '../support/told';
import { isLong } from '../support/torture';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const calls: string[] = [];
const counted = (name: string) =>
  agent(name, (n: number, { runId }) => {
    calls.push(`${runId} ${name}`);
    return n;
  });
let isOpen = false;
const held = agent('held', async (n: number, { signal }) => {
  while (!isOpen && !signal.aborted) await wait(20);
  return n;
});
const sleeping = chain('sleeping on', counted('before'), sleep('nap', 3_000), counted('after'));
const working = chain('working on', counted('before'), held);
const asking = chain('asking on', counted('before'), approval('ok', t.number), counted('after'));
const undone: string[] = [];
const booked = agent(
  'before',
  (n: number, { runId }) => {
    calls.push(`${runId} before`);
    return n;
  },
  { compensate: (_, { runId }) => void undone.push(runId) },
);
const booking = saga(
  'booking',
  chain(
    'books and waits',
    booked,
    agent('waits', async (n: number, { signal }) => {
      while (!signal.aborted) await wait(20);
      return n;
    }),
  ),
);
const agents = [sleeping, working, asking, booking];
const other = chain('another one', counted('other'));

const long = isLong ? it : it.skip;
const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('a worker in the place of another one', () => {
  let server: RestateServer;
  let engine: RestateEngine;
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);

  beforeAll(async () => {
    server = await startRestate();
    engine = restateEngine({ ...server, onUnsubscribe: 'detach' });
  });
  afterAll(async () => {
    warn.mockRestore();
    await server.stop();
  });

  const serve = (served: readonly Agent<never, unknown>[]): Promise<RestateWorker> =>
    serveRestate(served, { port: 0, ingress: server.ingress, admin: server.admin });
  const begin = async (of: Agent<number, unknown>, runId: string): Promise<void> => {
    const begun = collect(run(of, 1, { engine, runId }));
    await waitFor(() => calls.includes(`${runId} before`), 20_000, 'its beginning');
    begun.leave?.();
  };
  const completed = (of: Agent<number, unknown>, runId: string): Promise<void> =>
    waitFor(
      async () => (await engine.loadRun(of, runId))?.status === 'COMPLETED',
      45_000,
      `the end of ${runId}`,
    );

  it('goes on with all runs of one that has come back on another port, and calls nothing again', async () => {
    const first = await serve(agents);
    for (const [of, id] of [
      [sleeping, 's'],
      [working, 'w'],
      [asking, 'a'],
    ] as const)
      await begin(of, id);
    await waitFor(
      async () => (await engine.loadRun(asking, 'a'))?.status === 'SUSPENDED',
      20_000,
      'its question',
    );
    await first.close();
    isOpen = true;
    const second = await serve(agents);
    await engine.answer('a', 'ok', 7, { agent: asking });

    await completed(sleeping, 's');
    await completed(working, 'w');
    await completed(asking, 'a');
    expect(calls.sort()).toEqual(['a after', 'a before', 's after', 's before', 'w before']);
    await waitFor(
      () => warn.mock.calls.some(([text]) => String(text).endsWith(`comes to ${second.uri}`)),
      10_000,
      'the warning',
    );
    await second.close();
  });

  it('undoes what was done of a run that is cancelled while nobody is there', async () => {
    const first = await serve(agents);
    await begin(booking, 'b');
    await first.close();
    const soon = engine.cancel('b', { agent: booking, reason: 'no need' });
    // Longer than whoever has an admin waits for one answer.
    const brief = restateEngine({ ...server, patienceMs: 6_000 }).cancel('b', { agent: booking });
    await expect(brief).rejects.toMatchObject({ name: 'WorkerUnreachableError' });
    const second = await serve(agents);

    await expect(soon).resolves.toBeUndefined();
    await waitFor(
      async () => (await engine.loadRun(booking, 'b'))?.status === 'CANCELLED',
      30_000,
      'its end',
    );
    expect(undone).toEqual(['b']);
    await second.close();
  });

  it('carries out what begins when the one that has registered last is gone', async () => {
    const first = await serve(agents);
    const last = await serve(agents);
    await last.close();
    const { status } = await execute(working, 1, { engine: restateEngine(server), runId: 'later' });

    expect(status).toBe('COMPLETED');
    await first.close();
  });

  // Half of the time of all of them; `spec/adapters/keepRunsGoing` has what the server is told then.
  long(
    'takes only what it serves itself from one that has served more',
    async () => {
      const first = await serve([sleeping, other]);
      await begin(sleeping, 's2');
      const { status } = await execute(other, 1, { engine, runId: 'o' });
      await first.close();
      const second = await serve([sleeping]);

      await completed(sleeping, 's2');
      expect(status).toBe('COMPLETED');
      const left = collect(
        run(other, 1, { engine: restateEngine({ ...server, patienceMs: 6_000 }), runId: 'o2' }),
      );
      await waitFor(() => left.ended !== 'open', 20_000, 'that nobody takes it');
      expect(left.error).toMatchObject({ name: 'RunStalledError' });
      await second.close();
    },
    120_000,
  );
});
