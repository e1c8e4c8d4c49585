import { restateEngine, serveRestate } from '../../adapters/restate';
import { contractAgents, describeEngine } from '../contract/engine';
import { restateBinary, startRestate } from './support/restateServer';

if (restateBinary() === undefined) {
  it.skip(`skipped: npm has no Restate server for ${process.platform} ${process.arch}`, () => undefined);
} else {
  describe.each([['inline'], ['call']] as const)('agents placed %s', (placement) => {
    describeEngine(`restate ${placement}`, async () => {
      const server = await startRestate();
      const { ingress, admin } = server;
      const worker = await serveRestate(contractAgents, {
        port: 0,
        ingress,
        admin,
        placement: () => placement,
      });
      const engine = restateEngine({ ingress, admin });
      return {
        options: { engine },
        answer: (agent, runId, path, value) => engine.answer(agent, runId, path, value),
        load: (agent, runId) => engine.loadRun(agent, runId),
        largest: 4 * 1024 * 1024,
        goesOn: true,
        async close() {
          await worker.close();
          await server.stop();
        },
      };
    });
  });
}
