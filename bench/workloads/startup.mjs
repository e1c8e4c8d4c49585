import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A fresh process each time: what its own clock says between the first line and the last. */
const fresh = (code) => () => ({
  units: 1,
  once: true,
  run: async () => undefined,
  report: () => {
    const script = `const begun = performance.now(), cpu = process.cpuUsage();
      const done = () => { const { user, system } = process.cpuUsage(cpu);
        console.log(JSON.stringify([user + system, (performance.now() - begun) * 1000])); };
      ${code}`;
    const times = Array.from({ length: 9 }, () =>
      JSON.parse(
        execFileSync(process.execPath, ['-e', script], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] }),
      ),
    );
    const [cpuUs, wallUs] = [0, 1].map(
      (column) => times.map((time) => time[column]).sort((a, b) => a - b)[4],
    );
    return { cpuUs, wallUs };
  },
});
/** A whole process, from its start to its end. */
const whole = (args) => () => ({
  units: 1,
  once: true,
  run: async () => undefined,
  report: () => {
    const times = Array.from({ length: 9 }, () => {
      const begun = performance.now();
      execFileSync(process.execPath, args, { cwd: root, stdio: 'ignore' });
      return (performance.now() - begun) * 1000;
    });
    return { wallUs: times.sort((a, b) => a - b)[4] };
  },
});
const millrace = "const { agent, run } = require('./.millrace/index.js');";

export const workloads = [
  {
    id: 'startup',
    title: 'start of a process',
    unit: 'process',
    baseline: 'rxjs',
    variants: {
      rxjs: fresh("require('rxjs'); done();"),
      'rxjs, io-ts and immer': fresh("require('rxjs'); require('io-ts'); require('immer'); done();"),
      'millrace: import': fresh("require('./.millrace/index.js'); done();"),
      'millrace: first event': fresh(
        `${millrace} const s = run(agent('a', (n) => n), 1).subscribe(() => { done(); process.exit(); });`,
      ),
      'millrace --help': whole(['./.millrace/cli/millrace.js', '--help']),
      '@langchain/langgraph: import': fresh("require('@langchain/langgraph'); done();"),
      '@mastra/core: import': fresh("require('@mastra/core/workflows'); done();"),
      'effect: import': fresh("import('effect').then(done);"),
    },
  },
];
