import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { SLACK } from '../../support/slack';

/** A Restate server of the test's own, on free loopback ports. */
export interface RestateServer {
  readonly ingress: string;
  readonly admin: string;
  readonly pid: number;
  /** Dies as if the power had gone. */
  kill(): Promise<void>;
  /** Starts again on the same ports and the same data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly name?: string;
  /** Address of a node of the cluster to join, and how many nodes there are to be. */
  readonly cluster?: { readonly first: string; readonly nodes: number };
  readonly nodePort?: number;
  /** Silence after which it takes an invocation out of its worker, where a service does not say otherwise; such as `1s`. */
  readonly inactivityTimeout?: string;
  /** How often it forgets what has been kept for long enough; such as `1s`. */
  readonly cleanupInterval?: string;
  /** The private key with which it signs what it asks of workers, as PEM. */
  readonly identityKey?: string;
}

/** Where the binary of the server is; undefined where npm has none for this platform. */
export function restateBinary(): string | undefined {
  try {
    return require.resolve(
      `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`,
    );
  } catch {
    return undefined;
  }
}

export async function startRestate(options: ServerOptions = {}): Promise<RestateServer> {
  const binary = restateBinary();
  if (binary === undefined) throw new Error('There is no Restate server for this platform in npm');
  const [ingressPort, adminPort, freePort] = await freePorts(3);
  const nodePort = options.nodePort ?? freePort;
  const dir = mkdtempSync(join(tmpdir(), 'millrace-restate-'));
  const config = join(dir, 'restate.toml');
  const { cluster, name = 'n1' } = options;
  if (options.identityKey !== undefined)
    writeFileSync(join(dir, 'identity.pem'), options.identityKey, { mode: 0o600 });
  writeFileSync(
    config,
    [
      'disable-telemetry = true',
      ...(options.identityKey === undefined
        ? []
        : [`request-identity-private-key-pem-file = "${join(dir, 'identity.pem')}"`]),
      'default-num-partitions = 4',
      'rocksdb-total-memory-size = "256 MiB"',
      ...(cluster === undefined
        ? []
        : [
            'cluster-name = "millrace-test"',
            `auto-provision = ${String(nodePort === portOf(cluster.first))}`,
            'default-replication = 2',
            '[metadata-client]',
            'type = "replicated"',
            `addresses = ["${cluster.first}"]`,
          ]),
      ...(options.cleanupInterval === undefined
        ? []
        : ['[worker]', `cleanup-interval = "${options.cleanupInterval}"`]),
      '[worker.invoker]',
      'http2-streams-per-connection-limit = 16',
      ...(options.inactivityTimeout === undefined
        ? []
        : [`inactivity-timeout = "${options.inactivityTimeout}"`]),
    ].join('\n'),
  );
  const ingress = `http://127.0.0.1:${ingressPort}`;
  const admin = `http://127.0.0.1:${adminPort}`;
  let child: ChildProcess;

  const start = async (): Promise<void> => {
    child = spawn(
      binary,
      [
        '--no-logo',
        '--listen-mode=tcp',
        '--bind-ip=127.0.0.1',
        `--bind-port=${nodePort}`,
        `--advertised-address=http://127.0.0.1:${nodePort}`,
        `--base-dir=${join(dir, 'data')}`,
        `--node-name=${name}`,
        `--config-file=${config}`,
      ],
      {
        stdio: process.env['RESTATE_LOG'] === undefined ? 'ignore' : 'inherit',
        env: {
          ...process.env,
          RESTATE_INGRESS__BIND_PORT: String(ingressPort),
          RESTATE_ADMIN__BIND_PORT: String(adminPort),
          RESTATE_LOG_FILTER: process.env['RESTATE_LOG'] ?? 'warn',
        },
      },
    );
    await waitFor(async () => (await fetch(`${ingress}/restate/health`)).ok, 60_000, 'the Restate server');
    await waitFor(async () => (await fetch(`${admin}/health`)).ok, 60_000, 'its admin');
  };
  const exited = (): Promise<void> =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve()
      : new Promise((resolve) => child.once('exit', () => resolve()));

  await start();
  return {
    ingress,
    admin,
    get pid() {
      return child.pid ?? 0;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited();
    },
    restart: start,
    async stop() {
      child.kill('SIGKILL');
      await exited();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The ports that Linux gives to nobody who does not ask for them. */
const FIRST_PORT = 10_000;
const LAST_PORT = 32_000;

/**
 * Ports of loopback that nobody uses right now. They are none that the system gives to whoever connects: it could give one away while the
 * server on it starts again, even to whoever asks for just that server.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isFree(port)) ports.add(port);
  }
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * Asks until the answer is yes.
 *
 * @param limitMs - How long at most on one's own machine; never less than half a minute, since a busy machine is slow, which is no fault.
 */
export async function waitFor(
  isThere: () => Promise<boolean> | boolean,
  limitMs: number,
  what: string,
): Promise<void> {
  const longestMs = Math.max(30_000, limitMs) * SLACK;
  const until = Date.now() + longestMs;
  for (;;) {
    try {
      if (await isThere()) return;
    } catch {
      // Not yet.
    }
    if (Date.now() > until) throw new Error(`Waited ${longestMs} ms for ${what} in vain`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

function portOf(address: string): number {
  return Number(new URL(address).port);
}
