import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { from, lastValueFrom, mergeMap } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import type { Agent, StepPolicy } from '../../index';
import { agent, approval, branch, cancel, chain, each, execute, run } from '../../index';
import { SLACK } from '../support/slack';
import { amount, isLong, tally } from '../support/torture';
import { collect } from '../support/told';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';

let isOpen = false;
let begun = 0;
const first = (policy: StepPolicy = {}, name = 'a') => agent(name, (n: unknown) => n, policy);
/** Under way until the new worker is there, for the runs that shall be under way then. */
const held = (options: object = {}, name = 'held') =>
  agent(
    name,
    async (n: unknown, { runId, signal }) => {
      begun += 1;
      while (runId.startsWith('way') && !isOpen && !signal.aborted) await wait(20);
      return n;
    },
    options,
  );
const ask = approval('ok', t.unknown);
const last = agent('last', (n: unknown) => n);
const line = (name: string, ...links: readonly unknown[]) =>
  (chain as unknown as (...all: unknown[]) => Agent<unknown, unknown>)(name, ...links);
const items = (name: string, item: unknown) =>
  line(name, each('items', item as Agent<unknown, unknown>), ask, last);
const cases = (name: string, keys: readonly string[]) =>
  line(
    name,
    branch('which', () => 'x', Object.fromEntries(keys.map((key) => [key, held({}, key)]))),
    ask,
    last,
  );

type Expected = 'completes' | 'is refused';
/** Two definitions of one name, and what becomes of runs that began on the first when only the second is served. */
const deploys: readonly (readonly [
  what: string,
  expected: Expected,
  before: Agent<unknown, unknown>,
  after: Agent<unknown, unknown>,
])[] = [
  [
    'a cache added',
    'completes',
    line('p1', first(), held(), ask, last),
    line('p1', first({ cache: {} }), held(), ask, last),
  ],
  [
    'a limit added',
    'completes',
    line('p2', first(), held(), ask, last),
    line('p2', first(), held({ limit: { concurrency: 64 } }), ask, last),
  ],
  [
    'an agent renamed',
    'is refused',
    line('p3', first(), held(), ask, last),
    line('p3', first({}, 'a2'), held(), ask, last),
  ],
  ['an item agent renamed', 'completes', items('p4', held({}, 'f')), items('p4', held({}, 'g'))],
  [
    'an item that became a chain',
    'completes',
    items('p5', held({}, 'f')),
    items('p5', line('q', first(), held({}, 'f'))),
  ],
  ['a step added', 'is refused', line('p6', held(), ask, last), line('p6', held(), first(), ask, last)],
  ['a step removed', 'is refused', line('p7', first(), held(), ask, last), line('p7', held(), ask, last)],
  [
    'a codec added',
    'completes',
    line('p8', first(), held(), ask, last),
    line('p8', first(), held({ output: t.unknown }), ask, last),
  ],
  ['cases of a branch reordered', 'completes', cases('p9', ['x', 'y']), cases('p9', ['y', 'x'])],
];
const moved = line('p10', first(), held(), ask, last);
const twice = line('p11', first(), held(), ask, last);
const old = line('p12', first(), held(), ask, last);
const young = line('p12', first(), held(), first({}, 'more'), ask, last);

/** Does all of that, so much at once that the server takes none of it for stuck. */
const together = async (all: readonly (() => Promise<void>)[]): Promise<void> => {
  await lastValueFrom(from(all).pipe(mergeMap((each) => each(), 16)), { defaultValue: undefined });
};

/** Only in the long form: `deploys.spec.ts` has four of them in the short one. */
const describeHere = restateBinary() === undefined || !isLong ? describe.skip : describe;
const many = amount(2, 50);
const STUCK_MS = 60_000 * SLACK;
const BEGIN_MS = 900_000;
const END_MS = 600_000;

describeHere(`${many} runs under way and ${many} that wait, when workers are replaced`, () => {
  const ids = Array.from({ length: many }, (_, n) => n);
  let server: RestateServer;
  let engine: RestateEngine;
  const workers: RestateWorker[] = [];
  // Workers and client are this process, and a listener here would hear of no warning: Jest gives a spec a copy of `process`.
  const warnings: string[] = [];
  const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => {
    warnings.push(String(text));
  });
  const serve = async (agents: readonly Agent<never, unknown>[], port = 0): Promise<RestateWorker> => {
    const worker = await serveRestate(agents, { port, ingress: server.ingress, admin: server.admin });
    workers.push(worker);
    return worker;
  };

  beforeAll(async () => {
    server = await startRestate();
    engine = restateEngine({ ...server, onUnsubscribe: 'detach', patienceMs: STUCK_MS });
    const [port = 0] = await freePorts(1);
    const main = await serve([...deploys.map(([, , before]) => before), old], port);
    const there = await serve([moved]);
    await serve([twice]);
    const latest = await serve([twice]);
    const all = [...deploys.map(([, , before]) => before), old, moved, twice];
    const begin = async (of: Agent<unknown, unknown>, runId: string, n: number): Promise<void> => {
      const left = collect(run(of, of.name === 'p4' || of.name === 'p5' ? [n] : n, { engine, runId }));
      await waitFor(() => left.told.length > 1 || left.ended !== 'open', 60_000, `${runId} to begin`);
      left.leave?.();
    };
    await together(
      all.flatMap((of) =>
        ids.flatMap((n) => ['way', 'rest'].map((how) => () => begin(of, `${how} ${of.name} ${n}`, n))),
      ),
    );
    await waitFor(() => begun >= all.length * many * 2, 120_000, 'the steps under way');
    await waitFor(
      async () => {
        await wait(500);
        return (await engine.listRuns({ status: 'SUSPENDED', limit: 10_000 })).length >= all.length * many;
      },
      120_000,
      'the runs that wait',
    );
    for (const worker of [main, there, latest]) await worker.close();
    isOpen = true;
    await serve([...deploys.map(([, , , after]) => after), old, young], port);
    await serve([moved]);
  }, BEGIN_MS);
  afterAll(async () => {
    for (const worker of workers) await worker.close().catch(() => undefined);
    await server.stop();
    warn.mockRestore();
  });

  /** Answers a run until it has completed; one that is refused is cancelled. Says how it stands then, or after 60 s where it is stuck. */
  const endOf = async (of: Agent<unknown, unknown>, runId: string): Promise<string> => {
    const until = Date.now() + STUCK_MS;
    for (;;) {
      const state = await engine.loadRun(of, runId);
      if (state === undefined || state.status === 'COMPLETED' || Date.now() > until)
        return String(state?.status);
      const why =
        state.status === 'SUSPENDED'
          ? await execute(of, undefined as never, { engine, runId }).then(
              // It may have gone on with the answer before this one.
              () => engine.answer(runId, 'ok', 1, { agent: of }).catch(() => undefined),
              (error: unknown) => (error as Error).name,
            )
          : undefined;
      if (typeof why === 'string') {
        await cancel(runId, { engine, agent: of });
        await waitFor(
          async () => (await engine.loadRun(of, runId))?.status === 'CANCELLED',
          STUCK_MS / SLACK,
          'its end',
        );
        return `${why}, then CANCELLED`;
      }
      await wait(100);
    }
  };
  const ends = async (of: Agent<unknown, unknown>, how: 'way' | 'rest'): Promise<ReadonlySet<string>> => {
    const all = await Promise.all(ids.map((n) => endOf(of, `${how} ${of.name} ${n}`)));
    tally('runs over a deploy', all.length);
    return new Set(all);
  };

  const fitting = [
    ...deploys.flatMap(([what, expected, , after]) =>
      expected === 'completes' ? [[what, after] as const] : [],
    ),
    ['a worker on another port', moved] as const,
    ['the worker that registered last gone', twice] as const,
    ['two versions at once', old] as const,
  ];
  it.each(fitting)(
    'complete within 60 s: %s',
    async (_, of) => {
      await expect(ends(of, 'way')).resolves.toEqual(new Set(['COMPLETED']));
      // Who waits has its items on record, and nobody says whether they shall be carried out anew.
      const isOther = of.name === 'p4' || of.name === 'p5';
      const expected = isOther ? 'DefinitionMismatchError, then CANCELLED' : 'COMPLETED';
      await expect(ends(of, 'rest')).resolves.toEqual(new Set([expected]));
    },
    END_MS,
  );

  const refused = deploys.flatMap(([what, expected, before]) =>
    expected === 'is refused' ? [[what, before] as const] : [],
  );
  it.each(refused)(
    'are refused by name, and can be cancelled: %s',
    async (_, of) => {
      const refuse = async (how: string, runId: string): Promise<void> => {
        const answered =
          how === 'way' ? engine.loadRun(of, runId) : engine.answer(runId, 'ok', 1, { agent: of });
        await expect(answered).rejects.toMatchObject({ name: 'DefinitionNotServedError' });
        await cancel(runId, { engine, agent: of });
        await expect(cancel(runId, { engine, agent: of })).rejects.toMatchObject({
          name: expect.stringMatching(/^(RunEnded|DefinitionNotServed)Error$/),
        });
      };
      await together(
        ids.flatMap((n) => ['way', 'rest'].map((how) => () => refuse(how, `${how} ${of.name} ${n}`))),
      );
      const open = await engine.listRuns({ name: of.name, status: 'RUNNING', limit: 10_000 });
      expect(open).toEqual([]);
      const told = ids.flatMap((n) => ['way', 'rest'].map((how) => cancelWarning(`${how} ${of.name} ${n}`)));
      const ofThese = warnings.filter((text) => text.startsWith('Run ') && text.includes(`"${of.name}"`));
      expect(ofThese.map((text) => text.slice(0, text.indexOf(':'))).sort()).toEqual(told.sort());
    },
    END_MS,
  );

  it('warn of runs that are refused, and of who does not answer, and of nothing else', () => {
    const names = refused.map(([, { name }]) => name);
    const isExpected = (text: string): boolean =>
      text.startsWith('Nobody answers at ') ||
      // A busy server is asked again by the next look.
      /^Cannot go on with run ".*": No answer from /.test(text) ||
      names.some((name) => text.includes(`Cannot run "${name}"`) || text.includes(`"millrace.${name}.`));

    expect(warnings.filter((text) => !isExpected(text))).toEqual([]);
  });
});

const cancelWarning = (runId: string): string => `Run "${runId}" is cancelled, and nothing of it is undone`;
