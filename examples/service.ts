/*
 * A service: orders wait for a manager, or for a deadline, while processes come and go. A count is taken every few seconds.
 *
 *   npx ts-node examples/service.ts                    serves until SIGTERM or Ctrl-C; kill -9 harms nothing
 *   npx ts-node examples/service.ts approve order-1    answers from another process
 *   npx ts-node examples/service.ts list               says how the orders stand
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { t } from '../fp';
import { agent, answer, approval, chain, execute, lowdbStore, schedule, serve } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const store = lowdbStore(process.env['MILLRACE_STATE'] ?? join(tmpdir(), 'millrace-service'));
const deadlineMs = Number(process.env['DEADLINE_MS'] ?? 60_000);

const order = chain(
  'order',
  approval('manager', t.boolean, { timeoutMs: deadlineMs, onTimeout: agent('clerk', () => false) }),
  agent('pack', async (isApproved: boolean) => {
    await pause(200);
    return isApproved ? 'shipped' : 'sent back';
  }),
);

const count = agent('count', async () => (await store.listRuns({ name: 'order' })).length);

async function main([command, runId = '']: readonly string[]): Promise<void> {
  if (command === 'approve') {
    const { became } = await answer(runId, 'manager', true, { store });
    console.log(`${runId} approved: ${became}`);
  } else if (command === 'list') {
    for (const { runId: id, status } of await store.listRuns({ name: 'order' })) console.log(id, status);
  } else service();
}

function service(): void {
  serve([order], {
    store,
    drainMs: 5_000,
    signals: true,
    schedules: [schedule('2 seconds', count)],
  }).subscribe({
    next: ({ event }) => {
      if (event.type === 'run.completed') console.log(`${event.runId}: ${String(event.output)}`);
      if (event.type === 'step.started') console.log(`${event.runId}: ${event.path} begins`);
      if (event.type === 'step.logged') console.log(`${event.level} ${event.message}`);
    },
    error: (error: unknown) => {
      console.error(String(error));
      process.exitCode = 1;
    },
    complete: () => {
      console.log('drained');
      void store.close();
    },
  });
  console.log('serving');
  // Stands for the handler of a web server.
  void takeOrder('order-1');
}

/** Begins an order that is not there yet. It waits for the manager then: whoever serves goes on with it. */
async function takeOrder(runId: string): Promise<void> {
  if ((await store.loadRun(runId)) !== undefined) return;
  await execute(order, 'a book', { store, runId });
  console.log(`${runId}: waits for the manager`);
}

void main(process.argv.slice(2));
