import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Millrace as `npm run build` makes it: bench.mjs puts the files there. */
export const millrace = require('./.millrace/index.js');
export const { agent, chain, workflow, run, runEach, memoryStore } = millrace;

/** For counting what a store does to the disk. */
export const { nodeFiles } = require('./.millrace/core.js').lib_store_folder_files_nodeFiles;

/** Runs an agent to its end. Looks at every event, as any tap does, and at every state when asked to. */
export function follow(transitions$, readsState = false) {
  return new Promise((resolve, reject) => {
    let seen = 0;
    let output;
    transitions$.subscribe({
      next(transition) {
        const { event } = transition;
        if (event.type !== 'step.emitted') seen += event.seq;
        if (event.type === 'run.completed') output = event.output;
        if (readsState && transition.state.runId !== event.runId) reject(new Error('state of another run'));
      },
      error: reject,
      complete: () => resolve(output),
    });
  });
}
