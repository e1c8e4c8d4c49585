import { setTimeout as wait } from 'node:timers/promises';

import { catchError, lastValueFrom, map, of, tap, throwError } from 'rxjs';

import { agent, each, execute, lowdbStore, run, RunError, workflow } from '../../../index';
import type { Agent, RunState, Store, Wire } from '../../../index';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

/** Six items, of which the second one kills the process. */
const killing = each(
  'e',
  agent('work', async (n: number) => {
    await wait(n === 2 ? 15 : 200);
    if (n === 2) process.kill(process.pid, 'SIGKILL');
    return n;
  }),
  { concurrency: 4, onError: 'collect' },
);

/** A step that outlasts its process, and a step that kills it if asked to, beside many short ones that begin it. */
function beside(
  isLast: boolean,
  kills: boolean,
  isBeside: Promise<void>,
  begin: () => void,
): Agent<number, unknown> {
  const long = agent('long', async () => {
    await isBeside;
    await wait(20);
    console.log('long');
    return wait(isLast ? 1 : 60_000).then(() => 'long');
  });
  const killer = agent('killer', async () => {
    if (!kills) return 'tame';
    await wait(5);
    process.kill(process.pid, 'SIGKILL');
    return wait(1_000);
  });
  let ended = 0;
  const short = agent('short', async (n: number) => {
    // Others each time: the same ones, dying again and again, would be under suspicion too.
    if (ended >= 3) begin();
    await wait(10);
    ended += 1;
    return n;
  });
  return workflow('w', (input: Wire<number>, step) => ({
    long: step('long', long, input),
    killer: step('killer', killer, input),
    many: step(
      'many',
      each('many', short, { concurrency: 2 }),
      step('items', () => numbers(200), input),
    ),
  }));
}

/** The long step begins when some short ones have ended and others are under way, when all of them have ended, or when it is kept alone. */
async function liveBeside(isLast: boolean, kills: boolean, store: Store): Promise<RunState> {
  let begin = (): void => undefined;
  const isBeside = new Promise<void>((resolve) => (begin = resolve));
  if ((await store.loadRun('r'))?.steps.get('many')?.status === 'COMPLETED') begin();
  const states$ = run(beside(isLast, kills, isBeside, begin), 0, { store, runId: 'r' }).pipe(
    tap(({ event }) => {
      const isAlone = event.type === 'step.started' && event.path === 'long' && event.alone === true;
      if (isAlone || (event.type === 'step.completed' && event.path === 'many')) begin();
    }),
    map(({ state }) => state),
    catchError((error: unknown) => (error instanceof RunError ? of(error.state) : throwError(() => error))),
  );
  return lastValueFrom(states$);
}

/** Args: folder, `killing`, `long` or `both`, and `last` where the long step ends. */
async function main(): Promise<void> {
  const [folder = '', mode, last] = process.argv.slice(2);
  const store = lowdbStore(folder);
  const { status, output, error, steps } =
    mode === 'killing'
      ? await execute(killing, numbers(6), { store, runId: 'r' })
      : await liveBeside(last === 'last', mode === 'both', store);
  const failed = [...steps].flatMap((step) => (step.status === 'FAILED' ? [step.stepId] : []));
  console.log(JSON.stringify({ status, output, error, failed }));
  await store.close();
}

void main();
