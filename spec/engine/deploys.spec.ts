import { lastValueFrom } from 'rxjs';

import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { restateEngine } from '../../adapters/restate/client/restateEngine';
import type { RestateWorker } from '../../adapters/restate/worker/serveRestate';
import { serveRestate } from '../../adapters/restate/worker/serveRestate';
import type { Agent, RunState, StepPolicy } from '../../index';
import { agent, cancel, chain, each, execute, fork, run, saga } from '../../index';
import { collect } from '../support/told';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';

let isOpen = false;
/** The runs of which a step waits. */
const holding = new Set<string>();
const calls: string[] = [];
const undone: string[] = [];

const counted = (name: string, policy: StepPolicy = {}) =>
  agent(
    name,
    (n: number, { runId }) => {
      calls.push(`${runId} ${name}`);
      return n;
    },
    policy,
  );
const held = (name: string) =>
  agent(name, async (n: number, { runId, signal }) => {
    holding.add(runId);
    while (!isOpen && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
    return n;
  });
const charge = agent('charge', (n: number) => n, {
  compensate: (_: unknown, { runId }) => {
    undone.push(runId);
  },
});

/** The same name and plan before and after, but another journal. */
const deploys: readonly (readonly [
  title: string,
  before: Agent<never, unknown>,
  after: Agent<never, unknown>,
  input: unknown,
])[] = [
  ['code alone', chain('d0', counted('a'), held('b')), chain('d0', counted('a'), held('b')), 1],
  ['a cache', chain('d1', counted('a'), held('b')), chain('d1', counted('a', { cache: {} }), held('b')), 1],
  ['an item agent renamed', each('d2', held('f')), each('d2', held('g')), [1, 2]],
  [
    'an item that became a chain',
    each('d3', held('f')),
    each('d3', chain('q', counted('p'), held('f'))),
    [1, 2],
  ],
];
const undoing = (policy: StepPolicy) => saga('d4', chain('steps', charge, counted('a', policy), held('b')));

/** One that fails before the deploy, and whose items have a step less after it, and another one. */
const check = agent('check', (n: number) => {
  if (!isOpen) throw new Error('closed');
  return n;
});
const items = (second: string) =>
  each('d5', chain('q', counted('load'), counted(second), check, counted('send')));
const rowsOf = ({ steps }: RunState): readonly string[] =>
  [...steps].map(({ stepId, status }) => `${stepId} ${status}`).sort();

const ifServer = restateBinary() === undefined ? describe.skip : describe;

ifServer('a worker replaced while runs are under way', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    const [port = 0] = await freePorts(1);
    engine = restateEngine({ ingress, admin, patienceMs: 10_000 });
    const before = [...deploys.map(([, agent]) => agent), items('clean'), undoing({})];
    worker = await serveRestate(before, { port, ingress, admin });
    for (const [, of, , input] of deploys) {
      watched.push(collect(run(of, input as never, { engine, runId: `watched ${of.name}` })));
      const left = collect(run(of, input as never, { engine: detached(), runId: `left ${of.name}` }));
      await waitFor(() => left.told.length > 1, 10_000, 'its beginning');
      left.leave?.();
    }
    const left = collect(run(before.at(-1) as never, 1 as never, { engine: detached(), runId: 'undone' }));
    await waitFor(() => left.told.some((text) => /started .*b$/.test(text)), 10_000, 'its last step');
    left.leave?.();
    await execute(items('clean'), [1, 2], { engine, runId: 'failed' });
    await waitFor(() => holding.size === 2 * deploys.length + 1, 10_000, 'the steps under way');
    await worker.close();
    const after = [...deploys.map(([, , agent]) => agent), items('tidy'), undoing({ cache: {} })];
    worker = await serveRestate(after, {
      port,
      ingress,
      admin,
    });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  const watched: ReturnType<typeof collect>[] = [];
  const detached = () =>
    restateEngine({ ingress: server.ingress, admin: server.admin, onUnsubscribe: 'detach' });

  it('lets a run be cancelled that can never go on, and undoes what it has done', async () => {
    await cancel('undone', { engine, agent: undoing({ cache: {} }) });

    await waitFor(
      async () => (await engine.loadRun(undoing({ cache: {} }), 'undone'))?.status === 'CANCELLED',
      15_000,
      'its end',
    );
    expect(undone).toEqual(['undone']);
  });

  it.each(deploys.map(([title, , after], index) => [title, after, index] as const))(
    'lets them end: %s',
    async (_, after, index) => {
      isOpen = true;
      await waitFor(() => watched[index]?.ended !== 'open', 30_000, 'the end of the one that is watched');
      await waitFor(
        async () => (await engine.loadRun(after, `left ${after.name}`))?.status === 'COMPLETED',
        30_000,
        'the end of the one that is not',
      );

      expect(watched[index]?.transitions.at(-1)?.state.status).toBe('COMPLETED');
      const first = calls.filter((call) => call === `watched ${after.name} a`);
      expect(first.length).toBeLessThanOrEqual(1);
    },
  );

  it('keeps no row of a step that is gone, in the run and in its forks', async () => {
    const work = items('tidy');
    isOpen = true;
    await expect(execute(work, [1, 2], { engine, runId: 'failed' })).rejects.toMatchObject({
      name: 'DefinitionMismatchError',
    });
    const fresh = await execute(work, [1, 2]);
    const state = await execute(work, [1, 2], { engine, runId: 'failed', onMismatch: 'actual' });
    const forkId = await fork('failed', { engine, agent: work, from: '[0]/q/check' });
    const { state: forked } = await lastValueFrom(engine.attach(work, forkId));

    expect(state).toMatchObject({ status: 'COMPLETED', output: [1, 2] });
    for (const one of [state, await engine.loadRun(work, 'failed'), forked])
      expect(one && rowsOf(one)).toEqual(rowsOf(fresh));
  });
});
