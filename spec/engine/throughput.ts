/* Runs a second: Millrace on Restate against the SDK used by hand, for the same DAG, in one go. npm run bench:restate */
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';

import * as restate from '@restatedev/restate-sdk';
import { count, lastValueFrom, range } from 'rxjs';

import { register, restateEngine, serveRestate } from '../../adapters/restate';
import type { Wire } from '../../index';
import { agent, outcomes, runEach, workflow } from '../../index';
import { freePorts, startRestate } from './support/restateServer';

const RUNS = Number(process.env['RUNS'] ?? 1_000);
const ROUNDS = Number(process.env['ROUNDS'] ?? 7);
const AT_ONCE = Number(process.env['AT_ONCE'] ?? 64);

const load = (id: number) => 'x'.repeat(1_000) + String(id);
const normalize = (text: string) => text.toUpperCase();
const stats = (text: string) => text.length;
const topics = (text: string) => text.slice(0, 10);
const render = ({ s, t }: { readonly s: number; readonly t: string }) => `${s} ${t}`;

const dag = workflow('bench', (id: Wire<number>, step) => {
  const text = step('load', agent('load', load), id);
  const clean = step('normalize', agent('normalize', normalize), text);
  const s = step('stats', agent('stats', stats), clean);
  const t = step('topics', agent('topics', topics), clean);
  return step('render', agent('render', render), { s, t });
});

/** The same by hand, as the documentation of the SDK has it. */
const byHand = restate.workflow({
  name: 'byHand',
  handlers: {
    run: async (context: restate.WorkflowContext, id: number): Promise<string> => {
      const text = await context.run('load', () => load(id));
      const clean = await context.run('normalize', () => normalize(text));
      const [s, t] = await restate.RestatePromise.all([
        context.run('stats', () => stats(clean)),
        context.run('topics', () => topics(clean)),
      ]);
      return context.run('render', () => render({ s, t }));
    },
  },
});

async function worker(ingress: string): Promise<void> {
  const served = await serveRestate([dag], { port: 0, ingress });
  const [port = 0] = await freePorts(1);
  const http2 = await import('node:http2');
  http2
    .createServer(restate.createEndpointHandler({ services: [byHand], logger: () => undefined }))
    .listen(port, '127.0.0.1', () => process.send?.([served.port, port]));
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.on('disconnect', () => process.exit());
}

async function main(): Promise<void> {
  const server = await startRestate();
  const child = fork(__filename, [server.ingress], { execArgv: ['-r', 'ts-node/register/transpile-only'] });
  try {
    const ports = await new Promise<readonly number[]>((resolve) => child.once('message', resolve as never));
    for (const port of ports) await register(server.admin, `http://127.0.0.1:${port}`);
    const engine = restateEngine({ ingress: server.ingress });
    let round = 0;

    const hand = async (): Promise<number> => {
      const name = `h${(round += 1)}`;
      let next = 0;
      let done = 0;
      const lane = async (): Promise<void> => {
        for (let id = next; id < RUNS; id = next) {
          next += 1;
          const response = await fetch(`${server.ingress}/byHand/${name}-${id}/run`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(id),
          });
          if (typeof (await response.json()) === 'string') done += 1;
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, lane));
      return done;
    };
    const runAll = (options: { readonly runId?: (id: number) => string }): Promise<number> =>
      lastValueFrom(
        range(0, RUNS).pipe(
          runEach(dag, { engine, concurrency: AT_ONCE, ...options }),
          outcomes(),
          count(({ _tag }) => _tag === 'Right'),
        ),
      );
    const ours = (): Promise<number> => runAll({});
    const named = (): Promise<number> => {
      const name = `m${(round += 1)}`;
      return runAll({ runId: (id) => `${name}-${id}` });
    };

    /** Seconds of CPU used so far: by this process, which follows the runs, by the worker and by the server. */
    const cpu = async (): Promise<readonly [number, number, number]> => {
      const theirs = await new Promise<NodeJS.CpuUsage>((resolve) => {
        child.once('message', resolve as never);
        child.send('cpu');
      });
      const own = process.cpuUsage();
      return [(own.user + own.system) / 1e6, (theirs.user + theirs.system) / 1e6, serverCpu(server.pid)];
    };

    const kinds = { hand, ours, named };
    const rates: Record<Kind, Measured[]> = { hand: [], ours: [], named: [] };
    // All until they are compiled.
    for (let i = 0; i < 3; i += 1) for (const go of Object.values(kinds)) await go();
    for (let i = 0; i < ROUNDS; i += 1) {
      const inTurn = Object.entries(kinds) as [Kind, () => Promise<number>][];
      const first = inTurn.splice(i % 3, 1);
      // Each kind comes behind each other one as often: what one leaves the server and the worker to tidy up slows down the next.
      for (const [kind, go] of [...first, ...(i % 2 === 0 ? inTurn : inTurn.reverse())]) {
        const cpuBefore = await cpu();
        const began = performance.now();
        const done = await go();
        if (done !== RUNS) throw new Error(`${kind}: ${done} of ${RUNS}`);
        const rate = (RUNS / (performance.now() - began)) * 1000;
        const [client, worker, there] = (await cpu()).map(
          (used, part) => ((used - cpuBefore[part]!) / RUNS) * 1000,
        ) as [number, number, number];
        rates[kind].push({ rate, client, worker, server: there });
      }
    }
    const byHandAll = tell('by hand', rates.hand);
    for (const kind of ['ours', 'named'] as const) compare(TITLES[kind], rates[kind], rates.hand, byHandAll);
  } finally {
    child.disconnect();
    await server.stop();
  }
}

/** One round: runs a second, and milliseconds of CPU for each run. */
interface Measured {
  readonly rate: number;
  readonly client: number;
  readonly worker: number;
  readonly server: number;
}

/** By hand, with Millrace, and with Millrace under ids that the caller gives: those it has to look up first. */
type Kind = 'hand' | 'ours' | 'named';

const TITLES = { ours: 'millrace', named: 'millrace, ids given' };

interface Told {
  readonly median: Measured;
  readonly best: Measured;
}

function tell(title: string, rounds: readonly Measured[]): Told {
  const sorted = [...rounds].sort((a, b) => a.rate - b.rate);
  const middle = sorted[sorted.length >> 1]!;
  const of = (part: keyof Measured) =>
    [...rounds].map((round) => round[part]).sort((a, b) => a - b)[rounds.length >> 1]!;
  const median = { rate: middle.rate, client: of('client'), worker: of('worker'), server: of('server') };
  console.log(
    `${title}: median ${median.rate.toFixed(0)} runs/s, ` +
      `${cpuOf(median).toFixed(2)} ms CPU a run (client ${median.client.toFixed(2)}, ` +
      `worker ${median.worker.toFixed(2)}, server ${median.server.toFixed(2)}); ` +
      `all rounds ${rounds.map(({ rate }) => rate.toFixed(0)).join(' ')}`,
  );
  return { median, best: sorted.at(-1)! };
}

function compare(
  title: string,
  rounds: readonly Measured[],
  handRounds: readonly Measured[],
  byHandAll: Told,
): void {
  const { median, best } = tell(title, rounds);
  // Neighbours in time: what slows the machine down for a while slows both.
  const pairs = rounds.map(({ rate }, round) => rate / handRounds[round]!.rate).sort();
  const [quarter, middle, threeQuarters] = [0.25, 0.5, 0.75].map((part) =>
    pairs[Math.floor(part * pairs.length)]!.toFixed(2),
  );
  console.log(
    `  ratio by median ${ratio(median.rate, byHandAll.median.rate)} by runs/s, ` +
      `${ratio(cpuOf(byHandAll.median), cpuOf(median))} by CPU; by best ${ratio(best.rate, byHandAll.best.rate)}; ` +
      `each round to its neighbour ${middle}, half of them ${quarter} to ${threeQuarters}`,
  );
}

function cpuOf({ client, worker, server }: Measured): number {
  return client + worker + server;
}

function ratio(one: number, other: number): string {
  return (one / other).toFixed(2);
}

/** Seconds of CPU that the server has used. */
function serverCpu(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const [ingress] = process.argv.slice(2);
void (!ingress?.startsWith('http') ? main().then(() => process.exit()) : worker(ingress));
