// Prints, as JSON, how often each source file is entered by a run on Restate in one go, and by one that begins anew from its
// journal at every wait. Started by its spec with ts-node.
import * as t from 'io-ts';

import { restateEngine, serveRestate } from '../../../adapters/restate';
import { agent, approval, chain, execute } from '../../../index';
import { callsOf } from '../../support/entered';
import { startRestate, waitFor } from '../support/restateServer';

/** Calls, a decision of the user's, a pause and a question: everything that a journal answers. */
const work = (name: string) =>
  chain(
    name,
    agent('trim', async (text: string) => Promise.resolve(text.trim())),
    agent(
      'flaky',
      async (text: string, { attempt }) => {
        if (attempt === 1) throw new Error('once');
        return Promise.resolve(text);
      },
      { retry: { count: 1, retryIf: () => true, delayMs: () => 10 } },
    ),
    approval<boolean, string>('sure', t.boolean),
  );
const inOneGo = work('in one go');
const replayed = work('replayed');

async function main(): Promise<void> {
  const server = await startRestate();
  const { ingress, admin } = server;
  const workers = [
    await serveRestate([inOneGo], { port: 0, ingress, admin }),
    await serveRestate([replayed], { port: 0, ingress, admin, inactivityTimeoutMs: 0 }),
  ];
  const engine = restateEngine({ ingress, admin });
  let runs = 0;
  const carryOut = async (agentOfRun: typeof inOneGo): Promise<void> => {
    const runId = `run ${String((runs += 1))}`;
    await execute(agentOfRun, ' a ', { engine, runId });
    await engine.answer(runId, 'sure', true);
    await waitFor(
      async () => (await engine.loadRun(agentOfRun, runId))?.status === 'COMPLETED',
      20_000,
      'the end of the run',
    );
  };
  try {
    const [once, again] = await callsOf(
      () => carryOut(inOneGo),
      () => carryOut(replayed),
    );
    process.stdout.write(`${JSON.stringify({ once: [...once], again: [...again] })}\n`);
  } finally {
    for (const worker of workers) await worker.close();
    await server.stop();
  }
}

void main();
