import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import type { Subscription } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import { servicesNamed } from '../../adapters/restate/protocol/serviceNames';
import { FLUSH_MS } from '../../adapters/restate/protocol/wireLimits';
import type { Agent, Wire } from '../../index';
import { agent, approval, cancel, chain, execute, run, saga, sleep, withPolicy, workflow } from '../../index';
import { SLACK } from '../support/slack';
import { amount, isLong, tally } from '../support/torture';
import { collect } from '../support/told';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const HOUR_MS = 3_600_000;
const calls: string[] = [];
const noted = (name: string, compensate = false) =>
  agent(
    name,
    (n: number, { runId }) => {
      calls.push(`${runId} ${name}`);
      return n;
    },
    compensate
      ? {
          compensate: (_: unknown, { runId }) => {
            calls.push(`${runId} undone`);
          },
        }
      : {},
  );
const same = agent('same', (n: number) => n);
/** Longer ones are slept between two lives. */
const LONG_SLEEP_MS = 2_000;
const asLongAsGiven = (ms: number): number => ms;
const short = chain('sleeps some seconds', noted('before'), sleep('nap', asLongAsGiven), noted('after'));
const long = chain('sleeps an hour', same, sleep('nap', HOUR_MS), same);
const worn = chain(
  'works, and sleeps an hour',
  agent('works', (n: number) => wait(2 * FLUSH_MS, n)),
  sleep('nap', HOUR_MS),
);
const undoing = saga('undoes', chain('books and sleeps', noted('booked', true), sleep('nap', HOUR_MS)));
const asked = workflow('asks beside a sleep', (n: Wire<number>, step) => ({
  ok: step('ok', approval<boolean, number>('ok', t.boolean), n),
  nap: step('nap', sleep<number>('nap', asLongAsGiven), n),
}));
const limited = (name: string, inner: Agent<number, unknown>) =>
  chain(name, withPolicy(chain('in time', inner), { timeoutMs: 3_000 }));
const tooLong = limited('sleeps longer than it may', sleep<number>('nap', HOUR_MS));
const unanswered = limited('is not answered in time', approval<boolean, number>('ok', t.boolean));
const narrow = chain(
  'one after the other',
  withPolicy(chain('alone', noted('in'), sleep('nap', 2_500), noted('out')), { limit: { concurrency: 1 } }),
);

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('runs that only sleep', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    worker = await serveRestate([same, short, long, worn, undoing, asked, tooLong, unanswered, narrow], {
      port: 0,
      ingress,
      admin,
      longSleepMs: LONG_SLEEP_MS,
    });
    engine = restateEngine({ ingress, admin, patienceMs: 120_000 });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  /** How many lives of an agent's runs there are. */
  const lives = async (name: string, which = "status <> 'completed'"): Promise<number> => {
    const query = `select count(*) as n from sys_invocation where target_service_name like '${servicesNamed(name)}%' and target_handler_name = 'run' and ${which}`;
    const answer = await fetch(`${server.admin}/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({ query }),
    });
    return Number(((await answer.json()) as { readonly rows: readonly { readonly n: number }[] }).rows[0]?.n);
  };
  const asleep = (of: Agent<never, unknown>, runId: string, path = 'nap'): Promise<void> =>
    waitFor(
      async () => {
        const state = await engine.loadRun(of, runId);
        const status = state?.steps.get(path)?.status;
        return status === 'COMPLETED' || (status === 'SUSPENDED' && (await lives(of.name)) === 0);
      },
      20_000,
      `${runId} to sleep, or to have slept`,
    );
  /** How long a run will sleep yet, in milliseconds; 0 where it is awake. */
  const leftOf = async (of: Agent<never, unknown>, runId: string): Promise<number> => {
    const nap = (await engine.loadRun(of, runId))?.steps.get('nap');
    return nap?.status === 'SUSPENDED' ? (nap.deadline ?? 0) - Date.now() : 0;
  };
  /** Does it with longer and longer sleeps, until one has outlasted what was to happen meanwhile: a busy machine is slow. */
  const meanwhile = async (leastMs: number, work: (napMs: number) => Promise<boolean>): Promise<void> => {
    for (let napMs = leastMs; !(await work(napMs)); napMs *= 4)
      if (napMs * 4 > 60_000) throw new Error(`A sleep of ${napMs} ms was over too early`);
  };

  it('do so between two lives, are told as one, and call nothing again', async () => {
    const types =
      'run.started step.started step.completed step.started step.suspended run.resumed step.answered step.completed step.started step.completed run.completed';
    await meanwhile(3_000, async (napMs) => {
      const runId = `short ${napMs}`;
      const followed = collect(run(short, napMs, { engine, runId }));
      await asleep(short, runId);
      const late = collect(restateEngine(server).attach(short, runId));
      const again = collect(run(short, napMs, { engine: restateEngine(server), runId }));
      const loaded = await engine.loadRun(short, runId);
      const listed = await engine.listRuns({ name: short.name });
      const mismatch = await execute(short, 2, { engine, runId }).catch((error: unknown) => error);
      const isAsleep = (await leftOf(short, runId)) > 0;
      for (const each of [followed, late, again])
        await waitFor(() => each.ended !== 'open', 20_000 + napMs, 'the end');
      if (!isAsleep) return false;

      expect([loaded?.status, listed.find((one) => one.runId === runId)?.status]).toEqual([
        'RUNNING',
        'RUNNING',
      ]);
      expect(mismatch).toMatchObject({ name: 'InputMismatchError' });
      for (const each of [followed, late, again])
        expect(each.transitions.map(({ event }) => event.type).join(' ')).toBe(types);
      expect(calls.filter((call) => call.startsWith(runId))).toEqual([`${runId} before`, `${runId} after`]);
      return true;
    });
  });

  it('wake when they are cancelled, and undo what they have done', async () => {
    const followed = collect(run(undoing, 1, { engine, runId: 'cancelled' }));
    await asleep(undoing, 'cancelled', 'books and sleeps/nap');
    await cancel('cancelled', { engine, reason: 'no more' });
    await waitFor(() => followed.ended !== 'open', 20_000, 'the end');

    expect(followed.transitions.at(-1)?.state).toMatchObject({ status: 'CANCELLED', reason: 'no more' });
    expect(calls).toContain('cancelled undone');
  });

  it('are cancelled when they are left, and undo nothing', async () => {
    const left = collect(run(undoing, 1, { engine, runId: 'left' }));
    // There is nothing to attach to before.
    await waitFor(() => left.told.includes('run.started'), 20_000, 'the run');
    const other = collect(engine.attach(undoing, 'left'));
    await asleep(undoing, 'left', 'books and sleeps/nap');
    left.leave?.();
    await waitFor(() => other.ended !== 'open', 20_000, 'the end');

    expect((await engine.loadRun(undoing, 'left'))?.status).toBe('CANCELLED');
    expect(calls).not.toContain('left undone');
    const again = collect(run(undoing, 1, { engine, runId: 'left' }));
    await waitFor(() => again.told.includes('run.resumed'), 20_000, 'another life');
    await asleep(undoing, 'left', 'books and sleeps/nap');
    await cancel('left', { engine });
    await waitFor(() => again.ended !== 'open', 20_000, 'the end');
    expect(calls.filter((call) => call.startsWith('left'))).toEqual(['left booked', 'left undone']);
  });

  it.each(['cancelled', 'left'])('are %s in the moment in which they fall asleep, too', async (how) => {
    const each = async (_: unknown, n: number): Promise<void> => {
      const runId = `${how} at once ${String(n)}`;
      const told = run(worn, 1, { engine, runId });
      let following: Subscription | undefined;
      await new Promise<void>((resolve, reject) => {
        following = told.subscribe({
          next: ({ event }) => {
            if (event.type === 'step.suspended') resolve();
          },
          error: reject,
        });
      });
      // Its life puts down meanwhile how it stands.
      await wait(3 * n);
      if (how === 'cancelled') await cancel(runId, { engine });
      following?.unsubscribe();
      const status = async () => (await engine.loadRun(worn, runId))?.status;
      await waitFor(async () => (await status()) === 'CANCELLED', 20_000, `the end of "${runId}"`);
    };
    await Promise.all(Array.from({ length: 8 }, each));
  });

  it('go on for whoever else follows them when one leaves', async () => {
    const left = collect(run(undoing, 1, { engine, runId: 'shared' }));
    const other = collect(run(undoing, 1, { engine: restateEngine(server), runId: 'shared' }));
    await asleep(undoing, 'shared', 'books and sleeps/nap');
    left.leave?.();
    const resumed = () => other.transitions.filter(({ event }) => event.type === 'run.resumed').length;
    await waitFor(() => resumed() === 2 || other.ended !== 'open', 20_000, 'the life that goes on');
    expect(other.ended).toBe('open');
    await asleep(undoing, 'shared', 'books and sleeps/nap');
    await cancel('shared', { engine });
    await waitFor(() => other.ended !== 'open', 20_000, 'the end');

    expect(calls.filter((call) => call.startsWith('shared'))).toEqual(['shared booked', 'shared undone']);
    expect(other.told.filter((told) => told === 'run.cancelled')).toHaveLength(1);
  });

  it('take answers, and sleep on', async () => {
    await meanwhile(4_500, async (napMs) => {
      const runId = `asked ${napMs}`;
      const followed = collect(run(asked, napMs, { engine, runId }));
      await asleep(asked, runId);
      await engine.answer(runId, 'ok', true);
      await waitFor(() => followed.told.includes('step.completed ok'), 5_000, 'the answer');
      const leftMs = await leftOf(asked, runId);
      await waitFor(() => followed.ended !== 'open', 20_000 + napMs, 'the end');
      if (leftMs <= LONG_SLEEP_MS) return false;

      expect(followed.transitions.at(-1)?.state.output).toEqual({ ok: true, nap: napMs });
      expect(followed.transitions.filter(({ event }) => event.type === 'run.resumed')).toHaveLength(2);
      return true;
    });
  });

  it('fail in time where time is limited, also when somebody is asked', async () => {
    const failed = collect(run(tooLong, 1, { engine, runId: 'too long' }));
    expect((await execute(unanswered, 1, { engine, runId: 'unanswered' })).status).toBe('SUSPENDED');
    await waitFor(() => failed.ended !== 'open', 20_000, 'the end');
    expect(failed.transitions.at(-1)?.state.error?.name).toBe('StepTimeoutError');
    await waitFor(
      async () => (await engine.loadRun(unanswered, 'unanswered'))?.status === 'FAILED',
      20_000,
      'the end without an answer',
    );
  });

  it('keep the room of a limit that they sleep in', async () => {
    await Promise.all(['n1', 'n2'].map((runId) => execute(narrow, 1, { engine, runId })));

    const [first = '', second = '', third = '', fourth = ''] = calls.filter((call) => /^n[12] /.test(call));
    expect([first.slice(3), second.slice(3), third.slice(3), fourth.slice(3)]).toEqual([
      'in',
      'out',
      'in',
      'out',
    ]);
    expect(first.slice(0, 2)).toBe(second.slice(0, 2));
  });

  const many = amount(200, 5_000);
  it(`cost others next to nothing, ${String(many)} of them, and are all cancelled within 30 s when they are left`, async () => {
    const before = { latency: await latency(engine), client: clientMiB(), server: serverMiB(server) };
    const sleeping: Subscription[] = [];
    let fallen = 0;
    const errors: unknown[] = [];
    const began = Date.now();
    for (let n = 0; n < many; n += 1) {
      await waitFor(() => n - fallen < 200, 120_000, 'some to sleep');
      sleeping.push(
        run(long, n, { engine, runId: `sleeper ${String(n)}` }).subscribe({
          next: ({ event }) => {
            if (event.type === 'step.suspended') fallen += 1;
          },
          error: (error: unknown) => errors.push(error),
        }),
      );
    }
    await waitFor(() => fallen === many, 120_000, 'all to sleep');
    const seconds = (Date.now() - began) / 1_000;
    await wait(isLong ? 10_000 : 1_000);
    const enough = (aloneMs: number): number => 2 * aloneMs + 5;
    let besideMs = Infinity;
    // The least of three: others may use the machine now and not before.
    for (let round = 0; round < 3 && besideMs > enough(before.latency); round += 1)
      besideMs = Math.min(besideMs, await latency(engine));
    const beside = { latency: besideMs, client: clientMiB(), server: serverMiB(server) };

    const leftAt = Date.now();
    for (const each of sleeping) each.unsubscribe();
    await waitFor(
      async () => {
        await wait(200);
        return (await lives(long.name, "status = 'completed' and target_service_key like '2~%'")) === many;
      },
      120_000,
      'their ends',
    );
    const leaving = (Date.now() - leftAt) / 1_000;
    const ended = await engine.listRuns({ name: long.name, limit: 50 });
    if (isLong) console.info({ many, seconds, before, beside, leaving });
    tally('sleeping runs', many);

    expect(errors).toEqual([]);
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set(['CANCELLED']));
    let aloneMs = before.latency;
    // Or they use it ever since.
    if (besideMs > enough(aloneMs)) aloneMs = Math.max(aloneMs, await latency(engine));
    expect(besideMs).toBeLessThanOrEqual(enough(aloneMs) * SLACK);
    expect(leaving).toBeLessThan(30 * SLACK);
  }, 900_000);
});

/** The median time of runs that begin every 20 ms, in milliseconds. */
async function latency(engine: RestateEngine): Promise<number> {
  const took: number[] = [];
  const all: Promise<void>[] = [];
  const count = isLong ? 1_000 : 75;
  const round = Math.random();
  for (let n = 0; n < count; n += 1) {
    all.push(
      (async () => {
        const began = performance.now();
        await execute(same, n, { engine, runId: `beside ${String(round)} ${String(n)}` });
        took.push(performance.now() - began);
      })(),
    );
    await wait(20);
  }
  await Promise.all(all);
  return took.sort((a, b) => a - b)[took.length >> 1] ?? 0;
}

function clientMiB(): number {
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

function serverMiB({ pid }: RestateServer): number {
  try {
    return Math.round(
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/status`, 'utf8'))?.[1]) / 1_024,
    );
  } catch {
    // Only Linux says.
    return 0;
  }
}
