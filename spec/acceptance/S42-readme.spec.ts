import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';

import { buildSync } from 'esbuild';

import { pages, shown, shortened, snippets, sources } from '../support/snippets';
import { amount } from '../support/torture';

const root = join(__dirname, '../..');
const readme = pages.get('README.md') ?? '';

/** Those of the first pages; in `npm run test:laws` of all, since each is a process of its own. */
const run = shown.filter(({ page }) => amount(0, 1, 1) === 1 || /^README|getting-started/.test(page));

/** Blocks that are begun, or killed, by what is typed below them. */
const apart = snippets.filter(
  ({ page, output, code }) =>
    /^docs\/(ko\/|http\.md|getting-started\.md)/.test(page) &&
    output === undefined &&
    /\.listen\(3000|process\.env/.test(code),
);
const placeApart = (page: string): number => run.length + apart.findIndex((one) => one.page === page);

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

/** Those that a test which fails has left. */
const children = new Set<ChildProcess>();

/** Begins the block of a page that listens, in a folder of its own, on a port that is free. */
async function begun(page: string): Promise<{
  readonly url: string;
  readonly says: (pattern: RegExp) => Promise<string>;
  readonly end: () => Promise<number | null>;
}> {
  const state = mkdtempSync(join(tmpdir(), 'millrace-'));
  const port = await freePort();
  const child = spawn(process.execPath, [join(folder, `${String(placeApart(page))}.js`)], {
    cwd: state,
    env: { ...process.env, PORT: String(port) },
  });
  children.add(child);
  const closed = once(child, 'close');
  let told = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      told += bytes.toString();
    });
  return {
    url: `http://127.0.0.1:${String(port)}`,
    says: async (pattern) => {
      for (let tries = 0; tries < 2_500 && child.exitCode === null; tries += 1) {
        const [found] = pattern.exec(told) ?? [];
        if (found !== undefined) return found;
        await pause(20);
      }
      throw new Error(`It never said ${String(pattern)}: ${told}`);
    },
    end: async () => {
      child.kill('SIGTERM');
      const [code] = (await closed) as [number | null];
      rmSync(state, { recursive: true });
      return code;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Sends what a line of `curl` would send, and gives what it would print. */
async function curled(command: string, url: string): Promise<string> {
  const [, path = ''] = /127\.0\.0\.1:3000(\S*)/.exec(command) ?? [];
  const headers = [...command.matchAll(/-H '(.*?): (.*?)'/g)].map(([, name = '', value = '']) => [
    name,
    value,
  ]);
  const [, body] = / -d '(.*?)'/.exec(command) ?? [];
  const post = body === undefined ? {} : { method: 'POST', body };
  return (
    await fetch(url + path, { ...post, headers: Object.fromEntries(headers) as Record<string, string> })
  ).text();
}

/** Asks until the answer fits, as who types waits for a service; gives what the pattern captures, if it captures anything. */
async function answering(pattern: RegExp, ask: () => Promise<string>): Promise<string> {
  let answer = '';
  for (let tries = 0; tries < 2_500; tries += 1) {
    answer = await ask().catch(String);
    const found = pattern.exec(answer);
    if (found !== null) return found[1] ?? '';
    await pause(20);
  }
  throw new Error(`${String(pattern)} never fitted: ${answer}`);
}

/** The commands of a shell in a page, each with what it prints. */
function typedIn(page: string): readonly (readonly [command: string, printed: string])[] {
  return [...(pages.get(page) ?? '').matchAll(/```console\n(\$ .*?)```/gs)].flatMap(([, block = '']) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => [part.split('\n')[0] ?? '', part.split('\n').slice(1).join('\n')] as const),
  );
}

/** What a page says below a heading. */
function sectionOf(page: string, anchor: string): string {
  const [, ...sections] = `\n${pages.get(page) ?? ''}`.split(/^#+ /m);
  return sections[anchorsOf(page).indexOf(anchor)] ?? '';
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
    const onPort = apart.map(({ code }) =>
      code.replace('.listen(3000', ".listen(Number(process.env['PORT'])"),
    );
    bundle([...run.map(({ code }) => code), ...onPort]);
  });

  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
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

  it('a Korean line leads to where what it says of Millrace is explained', () => {
    const lines = (pages.get('docs/ko/names.md') ?? '').split('\n').filter((line) => line.includes('.md#'));
    for (const line of lines) {
      const [, ours = '', , where = ''] = line.split(' | ');
      const [, page = '', anchor = ''] = /\]\((.*?)#(.*?)\)/.exec(where) ?? [];
      const names = [...ours.matchAll(/`(.*?)`/g)].flatMap(([, code = '']) => code.match(/[a-z]\w+/gi) ?? []);
      const words = new Set(sectionOf(`docs/ko/${page}`, anchor).match(/\w+/g));
      expect([line, names.filter((name) => !words.has(name))]).toEqual([line, []]);
    }
    expect(lines.length).toBeGreaterThan(60);
  });

  it.each([
    ['README.ko.md', run.findIndex(({ page, nth }) => page === 'README.ko.md' && nth === 2), 'main'],
    ['docs/ko/getting-started.md', placeApart('docs/ko/getting-started.md'), 'letters'],
    ['docs/getting-started.md', placeApart('docs/getting-started.md'), 'letters'],
  ])('%s: what is typed goes on in a second process', (page, index, file) => {
    const state = mkdtempSync(join(tmpdir(), 'millrace-'));
    const typed = typedIn(page).filter(([command]) => command !== 'rm -rf state');
    const printed = typed.map(([command]) => {
      const [name, value] = /^(\w+)=(\w+) /.exec(command)?.slice(1) ?? ['MILLRACE_NOTHING', ''];
      const { stdout, stderr, signal } = spawnSync(process.execPath, [join(folder, `${String(index)}.js`)], {
        cwd: state,
        encoding: 'utf8',
        env: { ...process.env, [name ?? '']: value },
      });
      expect(signal).toBe(name === 'DIE' ? 'SIGKILL' : null);
      return [command, stdout + stderr];
    });
    rmSync(state, { recursive: true });

    expect(typed.map(([command]) => command.replace(/^\w+=1 /, ''))).toEqual([
      `npx tsx ${file}.ts`,
      `npx tsx ${file}.ts`,
    ]);
    expect(printed).toEqual(typed);
  });

  if (amount(0, 1, 1) === 1) {
    it.each([
      ['docs/ko/workflows.md', 'order-2', /order-2 run\.completed/],
      ['docs/http.md', 'p-1', /^/],
    ])('%s: the service answers what curl asks, and ends when it is told to', async (page, runId, told) => {
      const { url, says, end } = await begun(page);
      const typed = typedIn(page);
      const [, shownId = ''] = /"asking":"(.*?)"/.exec(typed[1]?.[1] ?? '') ?? [];
      let id = '';
      for (const [command, printed] of typed) {
        const pattern = new RegExp(
          `^${printed
            .trim()
            .replaceAll(/[[\]{}().?]/g, '\\$&')
            .replaceAll('…', '.*')
            .replace(shownId.replace('.', '\\.'), '(\\w+\\.\\d+)')}$`,
        );
        id = await answering(pattern, () => curled(command.replace(shownId, id), url));
      }

      expect(typed).toHaveLength(3);
      await answering(/"status":"COMPLETED"/, async () => (await fetch(`${url}/runs/${runId}`)).text());
      await says(told);
      // Who follows what changes does not keep it from its end.
      await fetch(`${url}/changes`);
      expect(await end()).toBe(0);
    });

    it('docs/ko/monitoring.md: the page opens with its token, and beside it for whoever may see it', async () => {
      const { url, says, end } = await begun('docs/ko/monitoring.md');
      const own = await says(/http:\/\/127\.0\.0\.1:\d+\/\?t=\S+/);
      await answering(/NOT_AUTHORIZED/, async () => (await fetch(`${url}/api/runs`)).text());
      const asked = [
        fetch(own, { redirect: 'manual' }),
        fetch(new URL('/api/runs', own)),
        fetch(`${url}/api/runs`, { headers: { authorization: 'Bearer of-the-admin' } }),
        fetch(`${url}/api/runs`),
      ];

      expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([303, 401, 200, 401]);
      await end();
    });
  }

  it.each(run.map(({ page, nth, output }, index) => [page, nth, { output, index }] as const))(
    '%s: snippet %i prints what stands below it',
    (_, __, { output, index }) => {
      expect(shortened(outputOf(index))).toBe(output);
    },
  );
});
