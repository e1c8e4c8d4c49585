/* Kills workers, servers and nodes under load, and counts what was lost or done twice. npm run torture:restate */
import { from, lastValueFrom, tap, toArray } from 'rxjs';

import { restateEngine } from '../../adapters/restate';
import { outcomes, runEach } from '../../index';
import { report } from './support/agents';
import { executedAgain } from './support/executedAgain';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';
import { workerPool } from './support/workers';

const RUNS = Number(process.env['RUNS'] ?? 500);
const HALF_AN_HOUR_MS = 1_800_000;

interface Line {
  readonly test: string;
  readonly runs: number;
  readonly completed: number;
  readonly equal: number;
  readonly recordedAgain: number;
  readonly unrecordedAgain: number;
  readonly seconds: number;
}

async function oneTest(
  test: string,
  servers: readonly RestateServer[],
  placement: 'inline' | 'call',
  strike: (pool: Awaited<ReturnType<typeof workerPool>>) => Promise<void>,
  clocks: readonly [number, number] = [0, 0],
): Promise<Line> {
  const ingress = servers.map((server) => server.ingress);
  const admin = servers[0]!.admin;
  const pool = await workerPool(ingress.join(','), admin, { PLACEMENT: placement });
  try {
    await Promise.all(
      clocks.map((wrongByMs) => pool.start(['report'], { CLOCK_WRONG_BY_MS: String(wrongByMs) })),
    );
    await pool.register();
    const engine = restateEngine({ ingress, patienceMs: 120_000 });
    const ids = Array.from({ length: RUNS }, (_, n) => `${test} ${n}`);
    const local = await results(from(ids).pipe(runEach(report, { concurrency: 200, runId: (id) => id })));
    const began = Date.now();
    let ended = 0;
    const there = results(
      from(ids).pipe(
        runEach(report, { engine, concurrency: 200, runId: (id) => id }),
        tap(({ event }) => {
          if (event.type === 'run.completed') ended += 1;
        }),
      ),
    );
    await waitFor(() => ended > RUNS / 4, 120_000, 'a quarter of the runs');
    await strike(pool);
    const outputs = await there;
    const begins = pool.executions().filter(({ kind }) => kind === 'begin').length;
    return {
      test,
      runs: RUNS,
      completed: outputs.size,
      equal: ids.filter((id) => outputs.get(id) === local.get(id)).length,
      recordedAgain: executedAgain(pool.executions()).length,
      unrecordedAgain: begins - RUNS * 8,
      seconds: Math.round((Date.now() - began) / 100) / 10,
    };
  } finally {
    await pool.close();
  }
}

type Transitions = ReturnType<ReturnType<typeof runEach<string, string>>>;

async function results(transitions: Transitions): Promise<ReadonlyMap<string, string>> {
  const all = await lastValueFrom(transitions.pipe(outcomes(), toArray()));
  const outputs = new Map<string, string>();
  for (const outcome of all) {
    if (outcome._tag === 'Right') outputs.set(outcome.right.runId, outcome.right.output);
    else console.error(outcome.left.runId, outcome.left.status, outcome.left.failure);
  }
  return outputs;
}

async function main(): Promise<void> {
  if (restateBinary() === undefined) {
    console.log(`skipped: npm has no Restate server for ${process.platform} ${process.arch}`);
    return;
  }
  const lines: Line[] = [];
  const single = await startRestate();
  try {
    for (const placement of ['inline', 'call'] as const) {
      lines.push(
        await oneTest(`one of 2 workers killed, ${placement}`, [single], placement, (pool) => pool.kill(0)),
      );
      console.log(lines.at(-1));
    }
    lines.push(
      await oneTest('server killed and restarted', [single], 'inline', async () => {
        await single.kill();
        await single.restart();
      }),
    );
    console.log(lines.at(-1));
  } finally {
    await single.stop();
  }

  const [nodePort = 0] = await freePorts(1);
  const cluster = { first: `http://127.0.0.1:${nodePort}`, nodes: 3 };
  const nodes = [await startRestate({ name: 'n1', cluster, nodePort })];
  try {
    for (const name of ['n2', 'n3']) nodes.push(await startRestate({ name, cluster }));
    lines.push(await oneTest('one of 3 nodes killed', nodes, 'inline', () => nodes[2]!.kill()));
    console.log(lines.at(-1));
    await nodes[2]!.restart();
    lines.push(
      await oneTest(
        'a node and a worker killed, clocks an hour apart',
        nodes,
        'inline',
        async (pool) => {
          await Promise.all([nodes[2]!.kill(), pool.kill(0)]);
        },
        [-HALF_AN_HOUR_MS, HALF_AN_HOUR_MS],
      ),
    );
    console.log(lines.at(-1));
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }

  console.log(
    '\n| test | runs | completed | result equals local | recorded step again | unrecorded step again | seconds |',
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const line of lines) console.log(`| ${Object.values(line).join(' | ')} |`);
  const isGood = lines.every(
    ({ completed, equal, recordedAgain }) => completed === RUNS && equal === RUNS && recordedAgain === 0,
  );
  if (!isGood) process.exitCode = 1;
}

main().then(
  () => process.exit(),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
