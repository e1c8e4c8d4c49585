/*
 * Serves the runs of a folder, as it is told:
 *
 *   FOLDER serve|queue|tick|hold DRAIN_MS STEP_MS
 *
 * `queue` begins one run at a time, `tick` has a schedule, `hold` has the folder open without serving it. What its steps do is appended to FOLDER.effects.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import * as t from 'io-ts';
import { retry, timer } from 'rxjs';

import { agent, approval, chain, execute, lowdbStore, schedule, serve } from '../../../index';

const [folder = '', mode = 'serve', drainMs = '2000', stepMs = '200'] = process.argv.slice(2);

const effect = (what: string): void => {
  appendFileSync(`${folder}.effects`, `${what}\n`);
};

const work = (name: string) =>
  agent(name, async (input: unknown, { runId, idempotencyKey }) => {
    effect(`${runId} ${name} ${idempotencyKey}`);
    // One that the drain cuts off does not keep the process alive.
    await pause(Number(stepMs), undefined, { ref: false });
    return input;
  });
const steps = chain('steps', work('a'), work('b'), work('c'), work('d'));
const sign = chain('sign', approval('boss', t.boolean), work('sent'));
const note = agent('note', (input: unknown) => {
  effect(String(input));
});
const weak = agent('weak', (_: unknown, { runId }) => {
  effect(`weak ${runId}`);
  throw new Error('down');
});
const tick = agent('tick', (_: unknown, { runId }) => {
  effect(runId);
});

async function main(): Promise<void> {
  const store = lowdbStore(folder, { durability: 'process' });
  if (mode === 'hold') {
    await execute(note, 'held', { store, runId: 'held' });
    console.log('holding');
    setInterval(() => undefined, 1_000);
    return;
  }
  const concurrency = mode === 'queue' ? 1 : 16;
  const schedules =
    mode === 'tick' ? [schedule('1 second', tick, undefined, { catchUp: 'all', overlap: 'queue' })] : [];
  serve([steps, sign, note, weak], { store, drainMs: Number(drainMs), signals: true, schedules, concurrency })
    .pipe(
      retry({
        delay: (error: { readonly code?: string }) => {
          console.log(String(error.code));
          return timer(100);
        },
      }),
    )
    .subscribe({
      next: ({ event }) => {
        if (event.type === 'step.started') console.log(`${event.runId} ${event.path} begins`);
      },
      complete: () => void store.close(),
    });
  while (!(await store.isServed())) await pause(5);
  console.log('serving');
}

void main();
