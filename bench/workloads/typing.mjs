import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A workflow of `count` steps, each of which reads the one before and an older one. */
function source(count) {
  const lines = ["import { agent, workflow, type Wire } from '../../index';"];
  lines.push(
    "const a = agent('a', (pair: { x: { n: number }; y: { n: number } }) => ({ n: pair.x.n + pair.y.n }));",
  );
  lines.push("export const self = workflow('w', (input: Wire<{ n: number }>, step) => {");
  for (let index = 0; index < count; index += 1) {
    const before = index === 0 ? 'input' : `w${index - 1}`;
    const older = index < 5 ? 'input' : `w${index - 5}`;
    lines.push(`  const w${index} = step('s${index}', a, { x: ${before}, y: ${older} });`);
  }
  return [...lines, `  return w${count - 1};`, '});'].join('\n');
}

/** Milliseconds of the checker alone, as tsc says; nothing but the workflow and what it imports. */
const checked = (count) => () => ({
  units: 1,
  once: true,
  run: async () => undefined,
  report: () => {
    const folder = mkdtempSync(join(root, 'bench', '.typing-'));
    try {
      writeFileSync(join(folder, 'w.ts'), count === 0 ? "import '../../index';" : source(count));
      writeFileSync(
        join(folder, 'tsconfig.json'),
        JSON.stringify({
          extends: '../../tsconfig.json',
          include: ['w.ts'],
          compilerOptions: { rootDir: '../..', types: ['node'] },
        }),
      );
      const text = execFileSync('npx', ['tsc', '-p', folder, '--extendedDiagnostics'], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'ignore'],
      }).toString();
      const seconds = Number(/Check time:\s+([\d.]+)s/.exec(text)[1]);
      const instantiations = Number(/Instantiations:\s+(\d+)/.exec(text)[1]);
      return { cpuUs: seconds * 1e6, wallUs: seconds * 1e6, instantiations };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
});

export const workloads = [
  {
    id: 'typing',
    title: 'check time of tsc for a workflow (instantiations tell more than the time)',
    unit: 'program',
    by: 'wallUs',
    rounds: 1,
    baseline: 'millrace, no workflow',
    variants: {
      'millrace, no workflow': checked(0),
      'millrace, 20 steps': checked(20),
      'millrace, 200 steps': checked(200),
    },
  },
];
