import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { cancel, execute, lowdbStore } from '../../index';
import { contract } from './support/flows';
import { begin, millrace, millraceJson, project } from './support/typed';

/** Agents as a user writes them; page 2 is jammed unless MENDED is set. */
const FLOWS = `
import { existsSync } from 'node:fs';
import { agent, approval, each, workflow } from 'millrace';
import { t } from 'millrace/fp';
const load = agent('load', (pages) => Array.from({ length: pages }, (_, page) => page));
const ocr = agent('ocr', (page) => {
  if (page === 2 && !process.env.MENDED) throw new Error('scanner jammed');
  return { page };
});
const write = agent('write', (pages) => pages.length + ' pages', { critical: true });
export const book = workflow('book', (input, step) =>
  step('write', write, step('pages', each('pages', ocr, { concurrency: 1 }), step('load', load, input))));
export const contract = workflow('contract', (input, step) => {
  const draft = step('draft', agent('draft', (text) => ({ text })), input);
  return step('file', agent('file', (answer) => answer), step('sign', approval('sign', t.type({ ok: t.boolean })), draft));
});
export const slow = workflow('slow', (input, step) =>
  step('wait', agent('wait', (ms, { signal }) => new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
  })), input));
export const gated = workflow('gated', (input, step) =>
  step('wait', agent('wait', async (file) => {
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 20));
  }), input));
`;

const SERVER = `
import { lowdbStore, serve } from 'millrace';
import { book, contract } from './flows.mjs';
const store = lowdbStore('./state');
const serving = serve([book, contract], { store }).subscribe();
while (!(await store.isServed())) await new Promise((resolve) => setTimeout(resolve, 20));
console.log('serving');
process.on('SIGTERM', () => { serving.unsubscribe(); void store.close().then(() => process.exit(0)); });
`;

describe('the commands that act', () => {
  let cwd: string;
  let remove: () => void;
  const typed = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    millrace(args, { cwd, env });
  const json = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    millraceJson(args, { cwd, env });
  const agents = ['--agents', './flows.mjs'];
  const summaryOf = async (runId: string) =>
    (await lowdbStore(join(cwd, 'state')).listRuns()).find((run) => run.runId === runId);

  beforeEach(() => {
    ({ folder: cwd, remove } = project());
    writeFileSync(join(cwd, 'flows.mjs'), FLOWS);
  });
  afterEach(() => {
    remove();
  });

  it('run runs an agent, shows it on stderr, gives its output on stdout and exits as the run ended', () => {
    const { stdout, stderr, exit } = typed(['run', 'book', '2', '--id', 'b', ...agents]);

    expect({ stdout, exit }).toEqual({ stdout: '"2 pages"\n', exit: 0 });
    expect(stderr).toContain('book b  write  completed');
    expect(typed(['run', 'book', '3', '--id', 'c', ...agents]).exit).toBe(1);
    expect(json(['run', 'contract', '"rent"', '--id', 'r', '--tag', 'customer=42', ...agents])).toMatchObject(
      {
        exit: 4,
        json: { runId: 'r', status: 'SUSPENDED', tags: { customer: '42' }, waiting: [{ path: 'sign' }] },
      },
    );
    expect(json(['run', 'nope', ...agents])).toMatchObject({
      exit: 69,
      json: { error: { code: 'AGENT_UNKNOWN' } },
    });
    expect(typed(['run', 'book', '{', ...agents]).exit).toBe(64);
  });

  it('resume and retry go on with what failed: in the same run, or in a new one', async () => {
    typed(['run', 'book', '4', '--id', 'b', ...agents]);

    expect(json(['resume', 'b'])).toMatchObject({ exit: 69, json: { error: { code: 'AGENTS_NEEDED' } } });
    expect(json(['resume', 'b', ...agents])).toMatchObject({
      exit: 1,
      json: { runId: 'b', status: 'FAILED', life: 2 },
    });
    const retried = json(['retry', 'b', ...agents], { MENDED: '1' });
    expect(retried).toMatchObject({ exit: 0, json: { forkedFrom: { runId: 'b' }, output: '4 pages' } });
    expect((await summaryOf('b'))?.status).toBe('FAILED');
    expect(typed(['retry', 'b', '--same-run', ...agents], { MENDED: '1' })).toMatchObject({
      exit: 0,
      stdout: '"4 pages"\n',
    });
    expect((await summaryOf('b'))?.life).toBe(3);
  });

  it('fork says beforehand what runs again, makes a new run, and leaves the old one as it is', () => {
    typed(['run', 'book', '4', '--id', 'b', ...agents], { MENDED: '1' });
    const before = readFileSync(join(cwd, 'state/runs/b.json'));

    expect(json(['fork', 'b', '--from', 'pages[2]/ocr', '--dry-run'])).toEqual({
      exit: 0,
      json: {
        again: ['pages', 'write', 'pages[2]/ocr'],
        reused: ['load', 'pages[0]/ocr', 'pages[1]/ocr', 'pages[3]/ocr'],
        critical: ['write'],
      },
    });
    expect(typed(['fork', 'b', '--from', 'pages[2]/ocr', '--dry-run']).stdout).toBe(
      [
        'runs again (3 of 7): pages  write  pages[2]/ocr',
        'reused (4 of 7): load  pages[0]/ocr  pages[1]/ocr  pages[3]/ocr',
        '! write marked critical: acts outside',
        '',
      ].join('\n'),
    );
    expect(json(['fork', 'b', '--from', 'write', '--id', 'f'])).toMatchObject({
      exit: 0,
      json: { runId: 'f', again: ['write'], next: 'millrace resume f --agents <file>' },
    });
    expect(json(['fork', 'b', '--id', 'f'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'RUN_EXISTS' } },
    });
    expect(json(['fork', 'b', '--from', 'nope'])).toMatchObject({
      exit: 2,
      json: { error: { code: 'UNKNOWN_STEP' } },
    });
    expect(typed(['fork', 'b', '--from', 'load', '--input', '1', '--resume', ...agents])).toMatchObject({
      exit: 0,
      stdout: '"1 pages"\n',
    });
    expect(readFileSync(join(cwd, 'state/runs/b.json'))).toEqual(before);
  });

  it('answer is kept for whoever goes on with the run, and says what to type where nobody does', () => {
    typed(['run', 'contract', '"rent"', '--id', 'r', ...agents]);

    expect(json(['answer', 'r', 'sign', '{"ok":1}', ...agents])).toMatchObject({
      exit: 64,
      json: { error: { code: 'ANSWER_MISFIT' } },
    });
    expect(json(['answer', 'r', 'draft', '1'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'NOT_WAITING' } },
    });
    expect(json(['answer', 'r'])).toMatchObject({ exit: 64, json: { error: { code: 'USAGE' } } });
    const { stdout, exit } = typed(['answer', 'r', '--approve', ...agents]);
    expect({ stdout, exit }).toEqual({
      stdout:
        '✔ answered sign; nobody carries the run on\nTo go on:  millrace resume r --agents ./flows.mjs\n',
      exit: 0,
    });
    expect(typed(['resume', 'r', ...agents])).toMatchObject({ exit: 0, stdout: '{\n  "ok": true\n}\n' });
    expect(json(['answer', 'r', 'sign', '{"ok":true}'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'RUN_ENDED' } },
    });
  });

  it('answer takes JSON from a file or standard input, and waits no longer than it is told', () => {
    typed(['run', 'contract', '"rent"', '--id', 'r', ...agents]);

    expect(
      millrace(['answer', 'r', 'sign', '--file', '-', '--wait', '300ms'], { cwd, input: '{"ok":false}' })
        .exit,
    ).toBe(6);
    expect(typed(['resume', 'r', ...agents]).stdout).toBe('{\n  "ok": false\n}\n');
  });

  it('answers, cancels, resumes, forks, runs and deletes through an app that serves, within a second', async () => {
    writeFileSync(join(cwd, 'server.mjs'), SERVER);
    typed(['run', 'contract', '"rent"', '--id', 'r', ...agents]);
    typed(['run', 'contract', '"other"', '--id', 'o', ...agents]);
    typed(['run', 'book', '3', '--id', 'b', ...agents]);
    const server = begin([], { cwd, program: join(cwd, 'server.mjs'), env: { MENDED: '1' } });
    await server.says('serving');
    try {
      expect(json(['doctor']).json.checks).toContainEqual(
        expect.objectContaining({
          name: 'owner',
          says: expect.stringContaining(`process ${server.child.pid}`),
        }),
      );
      expect(json(['answer', 'r', '--approve', '--wait', '60s', ...agents])).toMatchObject({
        exit: 0,
        json: { isServed: true },
      });
      expect((await summaryOf('r'))?.status).toBe('COMPLETED');
      expect(json(['cancel', 'o', '--reason', 'too dear'])).toMatchObject({
        exit: 0,
        json: [{ runId: 'o', ok: true }],
      });
      expect(json(['resume', 'b'])).toMatchObject({
        exit: 0,
        json: { status: 'COMPLETED', output: '3 pages' },
      });
      expect(json(['fork', 'b', '--from', 'write', '--resume'])).toMatchObject({
        exit: 0,
        json: { output: '3 pages' },
      });
      expect(json(['run', 'book', '1', '--id', 'new-one', '--watch'])).toMatchObject({
        exit: 0,
        json: { runId: 'new-one', output: '1 pages' },
      });
      expect(json(['delete', 'new-one'])).toMatchObject({ exit: 0, json: [{ runId: 'new-one', ok: true }] });
      expect(typed(['show', 'new-one']).exit).toBe(2);
    } finally {
      server.child.kill('SIGTERM');
      await server.ended;
    }
  });

  it('refuses with 75 what an app that has the store and serves nothing would have to do, and names its process', async () => {
    typed(['run', 'book', '3', '--id', 'b', ...agents]);
    const store = lowdbStore(join(cwd, 'state'));
    await store.claim('other');

    for (const args of [
      ['resume', 'b', ...agents],
      ['delete', 'b'],
      ['resume', 'b'],
      ['fork', 'b'],
      ['retry', 'b', ...agents],
    ]) {
      const { json: told, exit } = json(args);
      expect({ args, exit, code: told.error.code }).toEqual({
        args,
        exit: 75,
        code: expect.stringMatching(/^STORE_(LOCKED|NOT_SERVED)$/),
      });
      expect(told.error.message).toContain(`process ${process.pid}`);
    }
    expect(typed(['list']).exit).toBe(0);
    await store.close();
  });

  it('cancel stops a run that another process carries on', async () => {
    const carried = begin(['run', 'slow', '60000', '--id', 's', ...agents], { cwd });
    await carried.says('wait  started');

    expect(json(['cancel', 's', '--reason', 'enough'])).toMatchObject({ exit: 0, json: [{ ok: true }] });

    expect(await carried.ended).toBe(3);
    expect(await summaryOf('s')).toMatchObject({ status: 'CANCELLED', reason: 'enough' });
  });

  it('cancel of a run that waits says that nobody carries it on', async () => {
    const store = lowdbStore(join(cwd, 'state'));
    await execute(contract, 'rent', { store, runId: 'r' });
    await store.close();

    expect(typed(['cancel', 'r']).stdout).toContain('kept: nobody carries the run on now');
    await expect(cancel('nope', { store })).rejects.toMatchObject({ code: 'UNKNOWN_RUN' });
    expect(json(['cancel', 'nope'])).toMatchObject({ exit: 2, json: { error: { code: 'UNKNOWN_RUN' } } });
  });

  it('asks before it touches runs that were only selected, and does nothing where nobody can be asked', () => {
    typed(['run', 'book', '1', '--id', 'a', ...agents]);
    typed(['run', 'book', '1', '--id', 'b', ...agents]);

    expect(json(['delete', '--name', 'book'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'NOT_CONFIRMED' } },
    });
    expect(json(['prune', '--keep', '1'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'NOT_CONFIRMED' } },
    });
    expect(json(['prune', '--keep', '1', '--dry-run'])).toEqual({ exit: 0, json: { wouldDelete: ['a'] } });
    expect(json(['prune', '--keep', '1', '--yes'])).toEqual({ exit: 0, json: { gone: ['a'] } });
    expect(json(['prune']).exit).toBe(64);
    expect(json(['delete', '--name', 'book', '--dry-run'])).toEqual({
      exit: 0,
      json: { wouldDelete: ['b'] },
    });
    expect(json(['delete', 'b'])).toEqual({ exit: 0, json: [{ runId: 'b', ok: true }] });
    expect(json(['list'])).toEqual({ exit: 0, json: [] });
  });

  it('export and import give an equal run, under the same id in another store or another id in this one', () => {
    typed(['run', 'book', '3', '--id', 'b', ...agents]);

    expect(json(['export', 'b'])).toMatchObject({
      exit: 0,
      json: { runId: 'b', file: join(cwd, 'b.millrace.gz') },
    });
    expect(json(['import', 'b.millrace.gz', '--id', 'c'])).toMatchObject({ exit: 0, json: { runId: 'c' } });
    expect(json(['import', 'b.millrace.gz', '--store', 'other'])).toMatchObject({
      exit: 0,
      json: { runId: 'b' },
    });
    expect(json(['import', 'b.millrace.gz'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'RUN_EXISTS' } },
    });

    const shown = (...args: string[]) =>
      JSON.stringify(json(['show', ...args]).json).replaceAll('"c"', '"b"');
    expect(shown('c')).toBe(shown('b'));
    expect(shown('b', '--store', 'other')).toBe(shown('b'));
    expect(typed(['events', 'b', '--store', 'other']).stdout).toBe(typed(['events', 'b']).stdout);
    expect(typed(['diff', 'b', 'c']).stdout).toBe('no difference\n');
    expect(typed(['resume', 'c', ...agents], { MENDED: '1' }).stdout).toBe('"3 pages"\n');

    writeFileSync(join(cwd, 'cut.gz'), readFileSync(join(cwd, 'b.millrace.gz')).subarray(0, 300));
    expect(json(['import', 'cut.gz', '--id', 'd'])).toMatchObject({
      exit: 65,
      json: { error: { code: 'RUN_FILE_DAMAGED' } },
    });
    expect(json(['import', 'none.gz']).exit).toBe(64);
  });

  it('export leaves out values, or secrets, when asked', () => {
    writeFileSync(
      join(cwd, 'secret.mjs'),
      `import { agent } from 'millrace';
       export const login = agent('login', (who) => ({ who, password: 'hunter2', iban: 'DE02' }));`,
    );
    typed(['run', 'login', '"Kim"', '--id', 's', '--agents', './secret.mjs']);
    writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ redact: ['iban'] }));
    const exported = (...options: string[]) => {
      typed(['export', 's', '-o', 'file.gz', ...options]);
      typed(['delete', 't']);
      expect(typed(['import', 'file.gz', '--id', 't']).exit).toBe(0);
      return json(['show', 't', '--output']).json;
    };

    expect(exported()).toEqual({ who: 'Kim', password: 'hunter2', iban: 'DE02' });
    expect(exported('--redact')).toEqual({ who: 'Kim', password: '[redacted]', iban: '[redacted]' });
    expect(exported('--no-values')).toBeNull();
  });

  it('doctor names the file and the byte of what is damaged, and salvage saves the rest', () => {
    typed(['run', 'book', '1', '--id', 'a', ...agents]);
    typed(['run', 'book', '1', '--id', 'b', ...agents]);
    expect(json(['doctor', ...agents])).toMatchObject({ exit: 0 });
    const file = join(cwd, 'state/runs/a.json');
    writeFileSync(file, readFileSync(file).subarray(0, 333));

    const { json: told, exit } = json(['doctor']);
    expect(exit).toBe(65);
    expect(told.checks).toContainEqual({
      name: 'files',
      result: 'failed',
      says: 'the end is missing',
      file,
      offset: 333,
    });
    expect(typed(['doctor']).stdout).toContain(`${file}  byte 333: the end is missing`);
    expect(json(['salvage', 'state', 'saved', '--dry-run'])).toMatchObject({ exit: 0, json: { runs: 1 } });
    expect(existsSync(join(cwd, 'saved'))).toBe(false);
    expect(json(['salvage', 'state', 'saved'])).toMatchObject({
      exit: 0,
      json: { runs: 1, leftOut: [{ file }] },
    });
    expect(json(['list', '--store', 'saved']).json).toMatchObject([{ runId: 'b' }]);
    expect(readdirSync(join(cwd, 'state/runs'))).toContain('a.json');
  });

  it('a changed list of runs is refused, and what the refusal names makes it anew', () => {
    for (const id of ['a', 'b']) typed(['run', 'book', '1', '--id', id, ...agents]);
    const file = join(cwd, 'state/history.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('"runId":"b"', '"runId":"x"'));

    expect(json(['run', 'book', '1', '--id', 'c', ...agents])).toMatchObject({
      exit: 65,
      json: {
        error: { code: 'STORE_CORRUPT', next: expect.stringContaining('millrace salvage <folder> <target>') },
      },
    });
    expect(json(['salvage', 'state', 'saved'])).toMatchObject({
      exit: 0,
      json: { runs: 2, leftOut: [{ file, offset: 0, reason: 'the checksum differs' }] },
    });
    const saved = ['--store', 'saved'];
    expect(json(['run', 'book', '1', '--id', 'c', ...agents, ...saved])).toMatchObject({ exit: 0 });
    expect(
      json(['list', ...saved])
        .json.map(({ runId }: { runId: string }) => runId)
        .sort(),
    ).toEqual(['a', 'b', 'c']);
  });

  it('doctor tells of runs whose agents have changed or are missing, and of files that do not load', () => {
    typed(['run', 'book', '3', '--id', 'b', ...agents]);
    typed(['run', 'contract', '"rent"', '--id', 'r', ...agents]);
    writeFileSync(
      join(cwd, 'changed.mjs'),
      `import { agent, workflow } from 'millrace';
       export const book = workflow('book', (input, step) => step('print', agent('print', (n) => n), input));`,
    );

    const { json: told, exit } = json(['doctor', '--agents', './changed.mjs']);
    expect(exit).toBe(0);
    expect(told.checks.filter(({ name }: { name: string }) => name === 'run')).toEqual([
      { name: 'run', result: 'warning', says: 'r: no agent "contract"' },
      {
        name: 'run',
        result: 'warning',
        says: expect.stringContaining('b: its definition has changed (added: print'),
      },
    ]);
    expect(json(['doctor', '--agents', './none.mjs']).exit).toBe(69);
    expect(json(['doctor', '--fix'])).toMatchObject({ exit: 0 });
    mkdirSync(join(cwd, 'empty'));
    expect(typed(['doctor', 'empty'])).toMatchObject({
      exit: 0,
      stdout: expect.stringContaining('no store has been made here yet'),
    });
  });

  it('watch follows a run that another process carries on, to its end', async () => {
    const carried = begin(['run', 'gated', '"go"', '--id', 's', ...agents], { cwd });
    await carried.says('wait  started');

    const watched = begin(['watch', 's'], { cwd });
    await watched.says('started\n');
    writeFileSync(join(cwd, 'go'), '');
    expect(await watched.ended).toBe(0);
    expect(watched.told()).toMatch(/wait +started\n.*wait +completed in [\d.]+ m?s\n.*completed in/);
    const lines = typed(['watch', 's', '--json'])
      .stdout.trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1).event.type).toBe('run.completed');
    await carried.ended;
  });

  it('Ctrl-C ends with 130 and the cursor back; a run that was carried on here is cancelled, not lost', async () => {
    typed(['run', 'book', '1', '--id', 'b', ...agents]);
    const watching = begin(['watch'], { cwd });
    await watching.says('waiting for runs');
    watching.child.kill('SIGINT');
    expect(await watching.ended).toBe(130);

    const carried = begin(['run', 'slow', '60000', '--id', 's', ...agents], { cwd });
    await carried.says('wait  started');
    carried.child.kill('SIGINT');
    expect(await carried.ended).toBe(130);
    expect((await summaryOf('s'))?.status).toBe('CANCELLED');
    expect(typed(['resume', 's', ...agents, '--on-mismatch', 'nope']).exit).toBe(64);
  });

  it('stats counts and times what ran, also for Prometheus', () => {
    typed(['run', 'book', '3', '--id', 'a', ...agents]);
    typed(['run', 'book', '1', '--id', 'b', ...agents]);

    expect(json(['stats']).json).toMatchObject([
      {
        workflowName: 'book',
        executions: 2,
        successes: 1,
        failures: 1,
        agents: { ocr: { executions: 4, failures: 1 } },
      },
    ]);
    expect(typed(['stats', '--prometheus']).stdout).toContain(
      'millrace_runs_total{workflow="book",outcome="failure"} 1',
    );
    expect(typed(['stats', '--name', 'none']).stdout).toBe('no runs\n');
  });

  it('stats counts lives that ended, and says so', () => {
    typed(['run', 'book', '3', '--id', 'b', ...agents]);
    typed(['resume', 'b', ...agents], { MENDED: '1' });

    expect(typed(['stats']).stdout).toMatch(/^AGENT +ENDED +SUCCESS .*\nbook +2 +50 %/);
  });

  it('diff tells two moments of one run apart, and graph draws an agent', () => {
    typed(['run', 'book', '1', '--id', 'b', ...agents]);

    expect(json(['diff', 'b@1', 'b@3']).json.steps).toMatchObject([{ path: 'load', kind: 'changed' }]);
    expect(typed(['diff', 'b@1', 'b@3']).stdout).toContain('load');
    expect(typed(['graph', '--agent', 'book', ...agents]).stdout).toMatch(/^flowchart TD\n/);
    expect(typed(['graph', ...agents]).exit).toBe(64);
    expect(typed(['graph', 'b']).stdout).toContain('class s0 COMPLETED');
    const { stdout } = typed(['graph', 'b', '--svg']);
    expect(stdout).toMatch(/^<svg xmlns[^>]*>\n[^]*<title>load, COMPLETED<\/title>[^]*✔ load<[^]*<\/svg>\n$/);
    expect(json(['graph', '--agent', 'book', '--svg', ...agents]).json.svg).not.toContain('COMPLETED');
  });

  it('inspect serves the runs on one address with a token, until Ctrl-C', async () => {
    typed(['run', 'book', '1', '--id', 'b', ...agents]);
    const inspecting = begin(['inspect', '--json', ...agents], { cwd });
    await inspecting.says('}\n');
    const { url } = JSON.parse(inspecting.told()) as { readonly url: string };

    const { port, searchParams } = new URL(url);
    expect(searchParams.get('t')).toMatch(/^[\w-]{20,}$/);
    expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(401);
    inspecting.child.kill('SIGINT');
    expect(await inspecting.ended).toBe(130);
    expect(json(['inspect', '--host', '0.0.0.0'])).toMatchObject({
      exit: 64,
      json: { error: { code: 'INVALID_ARGUMENT' } },
    });
    expect(json(['inspect', 'none']).exit).toBe(2);
  });

  it('export --html writes a page that asks nothing of any server', () => {
    typed(['run', 'book', '1', '--id', 'b', ...agents]);

    expect(json(['export', 'b', '--html'])).toMatchObject({ exit: 0, json: { file: join(cwd, 'b.html') } });
    const page = readFileSync(join(cwd, 'b.html'), 'utf8');
    expect(page).toMatch(/^<!doctype html>/i);
    expect(page).not.toMatch(/(src|href)="https?:/);
    expect(typed(['export', 'b', '--html', '--no-values']).exit).toBe(64);
  });

  it.each(['bash', 'zsh', 'fish'])('completion prints a script for %s that knows every command', (shell) => {
    const { stdout, exit } = typed(['completion', shell]);

    expect(exit).toBe(0);
    for (const name of ['list', 'answer', 'doctor', 'completion']) expect(stdout).toContain(name);
    expect(typed(['completion', 'csh']).exit).toBe(64);
  });
});
