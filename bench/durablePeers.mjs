/** The peers that keep every step on disk, each as its own guide sets it up; imported only when it is measured. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';

/** Mastra with its LibSQL store: a chain of steps; every step's result is stored. */
export async function mastraStored(folder, length, step) {
  const { Mastra } = await import('@mastra/core');
  const { createStep, createWorkflow } = await import('@mastra/core/workflows');
  const { LibSQLStore } = await import('@mastra/libsql');
  const { z } = await import('zod');
  const any = z.any();
  let flow = createWorkflow({ id: 'bench', inputSchema: any, outputSchema: any });
  for (let position = 0; position < length; position += 1) {
    const execute = async ({ inputData }) => step(inputData);
    flow = flow.then(createStep({ id: `s${position}`, inputSchema: any, outputSchema: any, execute }));
  }
  const storage = new LibSQLStore({ id: 'bench', url: `file:${join(folder, 'mastra.db')}` });
  const mastra = new Mastra({ storage, workflows: { bench: flow.commit() }, logger: false });
  return async (input) => {
    const run = await mastra.getWorkflow('bench').createRun();
    const result = await run.start({ inputData: input });
    if (result.status !== 'success') throw new Error(`mastra: ${result.status} ${result.error}`);
    return result.result;
  };
}

/** LangGraph with its SQLite checkpointer: a chain of nodes; each checkpoint is written before the next node begins. */
export async function langgraphStored(folder, length, step, keys) {
  const { Annotation, END, START, StateGraph } = await import('@langchain/langgraph');
  const { SqliteSaver } = await import('@langchain/langgraph-checkpoint-sqlite');
  const graph = new StateGraph(Annotation.Root(Object.fromEntries(keys.map((key) => [key, Annotation()]))));
  for (let position = 0; position < length; position += 1) graph.addNode(`s${position}`, step);
  graph.addEdge(START, 's0').addEdge(`s${length - 1}`, END);
  for (let position = 1; position < length; position += 1) graph.addEdge(`s${position - 1}`, `s${position}`);
  const compiled = graph.compile({
    checkpointer: SqliteSaver.fromConnString(join(folder, 'langgraph.db')),
  });
  let threads = 0;
  const config = (thread_id) => ({
    configurable: { thread_id },
    recursionLimit: length + 10,
    durability: 'sync',
  });
  return {
    run: (input) => compiled.invoke(input, config(`t${(threads += 1)}`)),
    /** Goes on with the run that failed last. */
    resume: () => compiled.invoke(null, config(`t${threads}`)),
  };
}

/** DBOS on a PostgreSQL of its own, on loopback, as durable as PostgreSQL is when left alone. */
export async function dbosStored(folder, length, step) {
  const { url, stop } = await startPostgres(join(folder, 'postgres'));
  process.on('exit', stop);
  const { DBOS } = await import('@dbos-inc/dbos-sdk');
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error', runAdminServer: false });
  const chain = DBOS.registerWorkflow(
    async (input) => {
      let value = input;
      for (let position = 0; position < length; position += 1)
        value = await DBOS.runStep(() => step(value), { name: `s${position}` });
      return value;
    },
    { name: 'chain' },
  );
  await DBOS.launch();
  return chain;
}

/** @throws Error when there is no PostgreSQL on this machine. */
async function startPostgres(folder) {
  const home = '/usr/lib/postgresql';
  const version = existsSync(home) ? readdirSync(home).sort().at(-1) : undefined;
  if (version === undefined) throw new Error('no PostgreSQL here: apt-get install postgresql');
  const bin = join(home, version, 'bin');
  // PostgreSQL refuses to run as root; and it must not outlive a measurement that is cut off.
  const user = ['--reuid=postgres', '--regid=postgres', '--clear-groups'];
  const isRoot = process.getuid?.() === 0;
  const as = ['setpriv', '--pdeathsig', 'KILL', ...(isRoot ? user : [])];
  const run = (command, ...args) => {
    const [first, ...rest] = [...as, join(bin, command), ...args];
    return [first, rest];
  };
  mkdirSync(folder);
  if (isRoot) {
    chmodSync(join(folder, '..'), 0o755);
    execFileSync('chown', ['postgres', folder]);
  }
  execFileSync(...run('initdb', '-D', folder, '-U', 'bench', '--auth=trust', '--no-sync'), {
    stdio: 'ignore',
  });
  const port = await freePort();
  const options = ['-D', folder, '-p', String(port), '-h', '127.0.0.1', '-k', folder];
  const server = spawn(...run('postgres', ...options), { stdio: 'ignore' });
  await answering(port);
  return {
    url: `postgresql://bench@127.0.0.1:${port}/dbos`,
    // Fast shutdown: nothing of it is needed again.
    stop: () => server.kill('SIGINT'),
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answering(port) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const isUp = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      const answer = (up) => {
        socket.destroy();
        resolve(up);
      };
      socket.once('connect', () => answer(true)).once('error', () => answer(false));
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('PostgreSQL does not answer');
}
