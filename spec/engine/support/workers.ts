import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { register } from '../../../adapters/restate';
import type { Execution } from './agents';
import { startBalancer } from './balancer';

/** A pool of worker processes behind one address. */
export interface WorkerPool {
  readonly uri: string;
  /** Starts another worker; gives its place in the pool. */
  start(names?: readonly string[], env?: Readonly<Record<string, string>>): Promise<number>;
  /** Ends a worker by SIGKILL, by its process id. */
  kill(place: number): Promise<void>;
  /** Tells the server where the pool is. */
  register(): Promise<void>;
  /** What the workers have warned of because their server had gone. */
  lost(): readonly string[];
  /** What the agents have written down. */
  executions(): readonly Execution[];
  close(): Promise<void>;
}

export async function workerPool(
  ingress: string,
  admin: string,
  env: Readonly<Record<string, string>> = {},
): Promise<WorkerPool> {
  const balancer = await startBalancer();
  const dir = mkdtempSync(join(tmpdir(), 'millrace-workers-'));
  const file = join(dir, 'executions.ndjson');
  const lost: string[] = [];
  const children: { readonly child: ChildProcess; readonly port: number }[] = [];

  const gone = (child: ChildProcess): Promise<void> =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve()
      : new Promise((resolve) => child.once('exit', () => resolve()));

  return {
    uri: balancer.uri,
    async start(names = [], ofWorker = {}) {
      const child = fork(join(__dirname, 'worker.ts'), [ingress, '0', ...names], {
        execArgv: ['-r', 'ts-node/register/transpile-only'],
        env: { ...process.env, NODE_OPTIONS: '', EXECUTIONS: file, ...env, ...ofWorker },
        stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
      });
      createInterface(child.stderr!).on('line', (line) => {
        if (line.includes('RestateWarning: The server has gone')) lost.push(line);
        else if (!line.includes('--trace-warnings')) console.error(line);
      });
      const port = await new Promise<number>((resolve, reject) => {
        child.once('message', (message: { readonly port: number }) => resolve(message.port));
        child.once('exit', (code) => reject(new Error(`The worker ended with ${code}`)));
      });
      balancer.add(port);
      return children.push({ child, port }) - 1;
    },
    async kill(place) {
      const { child, port } = children[place]!;
      child.kill('SIGKILL');
      await gone(child);
      balancer.remove(port);
    },
    register: () => register(admin, balancer.uri),
    lost: () => lost,
    executions: () =>
      existsSync(file)
        ? readFileSync(file, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Execution)
        : [],
    async close() {
      for (const { child } of children) child.kill('SIGKILL');
      await Promise.all(children.map(({ child }) => gone(child)));
      await balancer.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
