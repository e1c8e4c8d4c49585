import { fileURLToPath } from 'node:url';

import { Client } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';

import { end, IS_APPROVED, QUESTION, wait } from '../world.ts';
import * as activities from './activities.ts';
import { approve, clerk, waiting } from './workflow.ts';

const connection = await NativeConnection.connect({ address: 'localhost:7233' });
const client = new Client();
const worker = await Worker.create({
  connection,
  taskQueue: 'clerk',
  workflowsPath: fileURLToPath(new URL('workflow.ts', import.meta.url)),
  activities,
});

await worker.runUntil(async () => {
  const handle = await client.workflow.start(clerk, {
    taskQueue: 'clerk',
    workflowId: 'refund-1',
    workflowIdConflictPolicy: 'USE_EXISTING',
    args: [QUESTION],
  });
  const calls = await handle.query(waiting);
  if (IS_APPROVED) for (const id of calls) await handle.signal(approve, id, true);
  else if (calls.length > 0) return wait();
  end(await handle.result());
});
