import { memoryStore } from '../../index';
import { describeEngine } from '../contract/engine';

describeEngine('local', async () => {
  const store = memoryStore();
  return {
    options: { store },
    load: (_agent, runId) => store.loadRun(runId),
    largest: 16 * 1024 * 1024,
    goesOn: false,
    close: () => store.close(),
  };
});
