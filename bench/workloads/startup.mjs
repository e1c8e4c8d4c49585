import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A fresh process each time: what its own clock says between the first line and the last. */
const fresh = (code) => () => ({
  units: 1,
  once: true,
  run: async () => undefined,
  report: () => {
    const script = `const begun = performance.now(); const done = () => console.log(performance.now() - begun); ${code}`;
    const times = Array.from({ length: 7 }, () =>
      Number(
        execFileSync(process.execPath, ['-e', script], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }),
      ),
    );
    const ms = times.sort((a, b) => a - b)[3];
    return { cpuUs: ms * 1000, wallUs: ms * 1000 };
  },
});
const millrace = "const { agent, run } = require('./.millrace/index.js');";

export const workloads = [
  {
    id: 'startup',
    title: 'start of a process (wall time only)',
    unit: 'process',
    by: 'wallUs',
    baseline: 'rxjs',
    variants: {
      rxjs: fresh("require('rxjs'); done();"),
      'rxjs, io-ts and immer': fresh("require('rxjs'); require('io-ts'); require('immer'); done();"),
      'millrace: import': fresh("require('./.millrace/index.js'); done();"),
      'millrace: first event': fresh(
        `${millrace} const s = run(agent('a', (n) => n), 1).subscribe(() => { done(); process.exit(); });`,
      ),
      '@langchain/langgraph: import': fresh("require('@langchain/langgraph'); done();"),
      '@mastra/core: import': fresh("require('@mastra/core/workflows'); done();"),
      'effect: import': fresh("import('effect').then(done);"),
    },
  },
];
