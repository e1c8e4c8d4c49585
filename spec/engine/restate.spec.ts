import { contractAgents, describeEngine } from '../contract/engine';
import { placements, serve } from './support/placements';
import { restateBinary } from './support/restateServer';

if (restateBinary() === undefined) {
  it.skip(`skipped: npm has no Restate server for ${process.platform} ${process.arch}`, () => undefined);
} else {
  describe.each(placements)('agents placed %s', (placed) => {
    describeEngine(`restate ${placed}`, async () => {
      const { engine, close } = await serve(contractAgents, placed);
      return {
        options: { engine },
        load: (agent, runId) => engine.loadRun(agent, runId),
        largest: 4 * 1024 * 1024,
        goesOn: true,
        close,
      };
    });
  });
}
