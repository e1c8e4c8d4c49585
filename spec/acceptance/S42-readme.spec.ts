import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

import { buildSync } from 'esbuild';

import { pages, shown, shortened, sources } from '../support/snippets';
import { amount } from '../support/torture';

const root = join(__dirname, '../..');
const readme = pages.get('README.md') ?? '';

/** Those of the first pages; in `npm run test:laws` of all, since each is a process of its own. */
const run = shown.filter(({ page }) => amount(0, 1, 1) === 1 || /^README|getting-started/.test(page));

/** What the founding document calls its parts. */
const NAMES = [
  ...[
    'Workflow',
    'WorkflowStep',
    'WorkflowContext',
    'StepResult',
    'StepState',
    'AgentChain',
    'ChainResult',
    'StateSnapshot',
  ],
  ...[
    'StateStore',
    'ExecutionLog',
    'ExecutionHistory',
    'LogLevel',
    'LogEntry',
    'Logger',
    'AgentMetrics',
    'WorkflowMetrics',
  ],
  ...[
    'Monitor',
    'TextNormalizerAgent',
    'TextAnalyzerAgent',
    'DataInputAgent',
    'DataLoadingAgent',
    'DataValidationAgent',
  ],
  ...[
    'DataTransformAgent',
    'DataOutputAgent',
    'add_step',
    'execute',
    'print_summary',
    'add_agent',
    'save_snapshot',
  ],
  ...[
    'load_snapshot',
    'list_snapshots',
    'delete_snapshot',
    'create_log',
    'add_step_result',
    'complete_log',
    'get_log',
    'list_logs',
  ],
  ...[
    'debug',
    'info',
    'warning',
    'error',
    'critical',
    'get_logs',
    'get_log_summary',
    'start_workflow',
    'end_workflow',
  ],
  ...[
    'log_agent_execution',
    'get_metrics',
    'print_metrics_report',
    'add_alert_rule',
    'check_alerts',
    'validate_input',
  ],
  'sync_states',
  ...['get_step_output', 'get_stats', 'is_critical', 'should_execute', 'debug_enabled'],
  ...['workflow_id', 'workflow_state', 'step_results', 'current_step', 'input_source'],
  ...['durations', 'agent_metrics'],
];

/** Inside the repository, so that other packages are found. */
const folder = mkdtempSync(join(root, 'node_modules', '.millrace-readme-'));

/** The source of an entry of this package; RxJS is looked for where packages are. */
const sourceOf = (name: string): string => sources.get(name) ?? name;

/** Makes JavaScript of the snippets, and of what they import of ours one file, so that each of them starts soon. */
function bundle(codes: readonly string[]): void {
  const imported = codes.join('').matchAll(/from '(millrace(?:\/[\w-]+)*|rxjs)'/g);
  const names = [...new Set([...imported].map(([, name = '']) => name))];
  const lazily = names.map(
    (name) => `exports[${JSON.stringify(name)}] = () => require(${JSON.stringify(sourceOf(name))});`,
  );
  buildSync({
    stdin: { contents: lazily.join(''), resolveDir: root },
    outfile: join(folder, 'all.js'),
    bundle: true,
    platform: 'node',
    // It starts threads with a file of its own.
    external: ['piscina'],
    logOverride: { 'require-resolve-not-external': 'silent' },
  });
  // What threads load, where millrace/workers looks for it.
  buildSync({
    entryPoints: [join(root, 'adapters/workers/thread.ts')],
    outfile: join(folder, 'thread.js'),
    bundle: true,
    platform: 'node',
  });
  for (const name of names) {
    const file = join(folder, 'node_modules', name.includes('/') ? `${name}.js` : `${name}/index.js`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `module.exports = require('../../all.js')['${name}']();`);
  }
  const entryPoints = codes.map((code, index) => {
    const file = join(folder, `${String(index)}.ts`);
    writeFileSync(file, code);
    return file;
  });
  buildSync({ entryPoints, outdir: folder, format: 'cjs', platform: 'node' });
}

/** Runs the snippet of this place where no other one has left anything. */
function outputOf(index: number): string {
  const state = mkdtempSync(join(tmpdir(), 'millrace-'));
  try {
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, `${String(index)}.js`)], {
      cwd: state,
      encoding: 'utf8',
    });
    return stderr + stdout;
  } finally {
    rmSync(state, { recursive: true });
  }
}

/** What the headings of a page are linked by. */
function anchorsOf(page: string): readonly string[] {
  return [...(pages.get(page) ?? '').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s-]/gu, '')
      .replace(/\s/g, '-'),
  );
}

describe('S42 README', () => {
  beforeAll(() => {
    bundle(run.map(({ code }) => code));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('begins with a sentence, at most 12 lines of code, their output, and the two commands', () => {
    expect(run[0]?.code.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(12);
    expect(readme.indexOf('npm ci && npm start')).toBeLessThan(readme.indexOf('\n## '));
    expect(readme).toContain('npm ci && npm test');
  });

  it('has the table of concepts, chain against workflow, and the architecture as a picture', () => {
    expect(readme).toMatch(/\| concept \| what it is \| when \|/);
    expect(readme).toMatch(/\| \| chain \| workflow \|/);
    expect(readme).toMatch(/```mermaid\nflowchart/);
  });

  it.each(['README.md', 'README.ko.md'])('%s leads to every other page', (page) => {
    const linked = [...(pages.get(page) ?? '').matchAll(/\]\(((?:docs|README)[^)#]*)\)/g)].map(
      ([, to = '']) => to,
    );
    for (const to of linked) expect(existsSync(join(root, to))).toBe(true);
    expect(linked).toContain('docs/founding-document.md');
  });

  it('has a line for every name of the founding document', () => {
    const table = pages.get('docs/founding-document.md')?.split('## Every name')[1] ?? '';
    for (const name of NAMES) expect(table).toContain(`\`${name}\``);
  });

  it('README.ko.md leads to a Korean line for every name, and that line to where the name is explained', () => {
    expect(pages.get('README.ko.md')).toContain('](docs/ko/names.md)');
    const lines = pages.get('docs/ko/names.md')?.split('\n') ?? [];
    for (const name of NAMES) {
      const line = lines.find((each) => each.split(' | ')[0]?.includes(`\`${name}\``));
      const [, , meaning = '', where = ''] = line?.split(' | ') ?? [];
      expect([name, meaning]).toEqual([name, expect.stringMatching(/[가-힣]/)]);
      const [, page = '', anchor = ''] = /\]\((.*?)#(.*?)\)/.exec(where) ?? [];
      expect([name, anchorsOf(`docs/ko/${page}`)]).toEqual([name, expect.arrayContaining([anchor])]);
    }
  });

  it.each(run.map(({ page, nth, output }, index) => [page, nth, { output, index }] as const))(
    '%s: snippet %i prints what stands below it',
    (_, __, { output, index }) => {
      expect(shortened(outputOf(index))).toBe(output);
    },
  );
});
