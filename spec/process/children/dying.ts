import { setTimeout as wait } from 'node:timers/promises';

import { agent, each, execute, lowdbStore, workflow } from '../../../index';
import type { Agent, Wire } from '../../../index';

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

/** A step that outlasts its process, and a step that kills it if asked to, beside many short ones. */
function beside(isLast: boolean, kills: boolean): Agent<number, unknown> {
  let begin = (): void => undefined;
  const isBeside = new Promise<void>((resolve) => (begin = resolve));
  const long = agent('long', async () => {
    // Not before those beside it are under way, unless all of them have ended in an earlier life.
    await Promise.race([isBeside, wait(5_000)]);
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
  const short = agent('short', async (n: number) => {
    begin();
    return wait(30).then(() => n);
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

/** Args: folder, `killing`, `long` or `both`, and `last` where the long step ends. */
async function main(): Promise<void> {
  const [folder = '', mode, last] = process.argv.slice(2);
  const store = lowdbStore(folder);
  const where = { store, runId: 'r' };
  const { status, output, error, steps } =
    mode === 'killing'
      ? await execute(killing, numbers(6), where)
      : await execute(beside(last === 'last', mode === 'both'), 0, where);
  const failed = [...steps].flatMap((step) => (step.status === 'FAILED' ? [step.stepId] : []));
  console.log(JSON.stringify({ status, output, error, failed }));
  await store.close();
}

void main();
