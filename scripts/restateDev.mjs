// Starts a Restate server for trying, from the npm package alone, on loopback only. Ctrl-C ends it.
//
//   npm run restate:dev [-- --dir .restate]
//
// Ports: INGRESS_PORT (8080), ADMIN_PORT (9070), NODE_PORT (5122).
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { dir: { type: 'string', default: '.restate' } } });
const { INGRESS_PORT = '8080', ADMIN_PORT = '9070', NODE_PORT = '5122' } = process.env;

function findBinary() {
  const name = `@restatedev/restate-server-${process.platform}-${process.arch}/bin/restate-server`;
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    console.error(
      `There is no Restate server for ${process.platform} ${process.arch} in npm; start one in a container`,
    );
    process.exit(1);
  }
}

const binary = findBinary();
const dir = resolve(values.dir);
mkdirSync(dir, { recursive: true, mode: 0o700 });
const config = join(dir, 'restate.toml');
writeFileSync(
  config,
  'disable-telemetry = true\ndefault-num-partitions = 4\nrocksdb-total-memory-size = "256 MiB"\n[worker.invoker]\nmessage-size-limit = "32 MiB"\n',
);
chmodSync(config, 0o600);
const server = spawn(
  binary,
  [
    '--no-logo',
    '--listen-mode=tcp',
    '--bind-ip=127.0.0.1',
    `--bind-port=${NODE_PORT}`,
    `--base-dir=${dir}`,
    '--node-name=dev',
    `--config-file=${config}`,
  ],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      RESTATE_INGRESS__BIND_PORT: INGRESS_PORT,
      RESTATE_ADMIN__BIND_PORT: ADMIN_PORT,
      RESTATE_LOG_FILTER: process.env.RESTATE_LOG_FILTER ?? 'warn,octocrab=off,rs=off',
    },
  },
);
// A terminal sends Ctrl-C to the server too.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => server.kill('SIGTERM'));
server.on('exit', (code) => process.exit(code ?? 0));

const ingress = `http://127.0.0.1:${INGRESS_PORT}`;
const isUp = () =>
  globalThis.fetch(`${ingress}/restate/health`).then(
    ({ ok }) => ok,
    () => false,
  );
while (!(await isUp())) await wait(100);
console.log(`Restate is up: ingress ${ingress}, admin http://127.0.0.1:${ADMIN_PORT}, data in ${dir}`);
