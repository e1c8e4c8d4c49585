import { spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { runCommand } from '../../cli/commands/carryCommands';
import { queuedRun } from '../../cli/queuedRuns';
import { paint, processOutput } from '../../cli/view/output';
import { agent, cancel, lowdbStore, serve, submit } from '../../index';
import { until } from '../support/until';
import { millrace, millraceJson, project, script } from './support/typed';

const FLOWS = `
import { agent, approval } from 'millrace';
import { t } from 'millrace/fp';
console.log('flows are loaded');
export const ask = approval('ask', t.type({ ok: t.boolean }));
export const stuck = agent('stuck', () => new Promise(() => undefined));
export const talk = agent('talk', (n) => {
  console.log('talking to', n);
  console.info('and on');
  process.stdout.write('and on\\n');
  return n;
});
`;

describe('a command', () => {
  const { folder: cwd, remove } = project();
  const taken = createServer();
  beforeAll(async () => {
    writeFileSync(join(cwd, 'flows.mjs'), FLOWS);
    expect(millrace(['run', 'ask', '1', '--id', 'a', '--agents', 'flows.mjs'], { cwd }).exit).toBe(4);
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    taken.close();
    remove();
  });

  it.each([
    ['answer a ask --file none.json', 'USAGE', 'none.json'],
    ['answer a ask --file .', 'USAGE', 'EISDIR'],
    ['import .', 'USAGE', 'EISDIR'],
    ['inspect --port TAKEN', 'INVALID_ARGUMENT', 'EADDRINUSE'],
    ['inspect --host nowhere.invalid --token 0123456789abcdef', 'INVALID_ARGUMENT', 'nowhere.invalid'],
  ])('%s is refused with 64: it is no fault of this program', (line, code, why) => {
    const { port } = taken.address() as AddressInfo;
    const { exit, json } = millraceJson(line.replace('TAKEN', String(port)).split(' '), { cwd });

    expect([exit, (json as { error: { code: string } }).error.code]).toEqual([64, code]);
    expect((json as { error: { message: string } }).error.message).toContain(why);
  });

  it.each([
    'cancel a --reason --yes',
    'cancel a --reason -s',
    'list --store --counts',
    'list --tag --counts',
    'run ask 1 --id --watch',
    'resume a --agents --json',
  ])('%s is refused with 64: a value is missing', (line) => {
    const { exit, stdout, stderr } = millrace(line.split(' '), { cwd });

    expect([exit, `${stdout}${stderr}`]).toEqual([
      64,
      expect.stringMatching(/It is an option itself|argument missing/),
    ]);
    expect(millrace(['show', 'a'], { cwd }).exit).toBe(4);
  });

  it.each([
    ['list', '--store', ''],
    ['list', ''],
    ['run', 'talk', '1', '--store='],
    ['doctor', ''],
  ])('does not take the folder in which it is typed for a store without a name: %s %s %s %s', (...args) => {
    const { exit, json } = millraceJson(
      args.filter((arg) => typeof arg === 'string'),
      { cwd },
    );

    expect([exit, (json as { error: { message: string } }).error.message]).toEqual([
      64,
      'Cannot tell which store is meant: its name is empty',
    ]);
  });

  it.each([[['--lang', 'ko']], [['-s', 'state']], [['--json']]])(
    'is asked for where none was typed: %p',
    (args) => {
      const { exit, stdout, stderr } = millrace(args, { cwd });

      expect([exit, `${stdout}${stderr}`]).toEqual([64, expect.stringContaining('no command was typed')]);
    },
  );

  it('counts events from 1', () => {
    expect(millraceJson(['show', 'a', '--at', '0'], { cwd })).toMatchObject({
      exit: 64,
      json: { error: { message: 'Cannot show run "a" at event 0: events are counted from 1' } },
    });
  });

  it('takes a value with hyphens in it that is no option', () => {
    expect(millrace(['list', '--text', '--nothing-like-this', '--status=failed'], { cwd }).exit).toBe(0);
  });

  it.each([
    'run talk 1 --agents flows.mjs',
    'stats --prometheus',
    'completion bash',
    'completion constructor',
    'graph --agent ask --agents flows.mjs',
  ])('%s writes JSON and nothing else to standard output with --json', (line) => {
    const { stdout, stderr } = millrace([...line.split(' '), '--json'], { cwd });

    expect(() => JSON.parse(stdout) as unknown).not.toThrow();
    expect(stderr.match(/talking to 1|and on|flows are loaded/g)).toEqual(
      line.startsWith('run')
        ? ['flows are loaded', 'talking to 1', 'and on', 'and on']
        : line.startsWith('graph')
          ? ['flows are loaded']
          : null,
    );
  });

  it.each([[[]], [['--json']]])(
    'ends with 70 where an agent waits for what never comes, and leaves the run cancelled %p',
    (more) => {
      const args = [
        'run',
        'stuck',
        '1',
        '--id',
        `stuck${String(more.length)}`,
        '--agents',
        'flows.mjs',
        ...more,
      ];
      const { exit, stdout, stderr } = millrace(args, { cwd });

      expect([exit, stderr]).toEqual([70, expect.stringContaining('what is waited for can never come')]);
      if (more.length > 0) expect(JSON.parse(stdout)).toMatchObject({ status: 'CANCELLED' });
      expect(millrace(['show', `stuck${String(more.length)}`], { cwd }).exit).toBe(3);
    },
  );

  it('ends with 70 where a file of agents never ends to load', () => {
    writeFileSync(join(cwd, 'never.mjs'), 'await new Promise(() => undefined);');
    const { exit, json } = millraceJson(['run', 'stuck', '1', '--agents', 'never.mjs'], { cwd });

    expect([exit, (json as { error: { code: string } }).error.code]).toEqual([70, 'STUCK']);
  });

  it('ends as it would where nobody reads what it says beside its result', () => {
    const line = '("$0" "$1" show nope 2>&1 >/dev/null; echo $? > code) | true';
    for (let time = 0; time < 5; time += 1) {
      spawnSync('sh', ['-c', line, process.execPath, script], { cwd });
      expect(readFileSync(join(cwd, 'code'), 'utf8')).toBe('2\n');
    }
  });

  it('says that its result could not be written, and does not end as if it had been', () => {
    const full = openSync('/dev/full', 'w');
    const { stderr, status } = spawnSync(process.execPath, [script, '--help'], {
      stdio: ['ignore', full, 'pipe'],
      cwd,
    });
    closeSync(full);

    expect({ status, stderr: String(stderr) }).toMatchObject({
      status: 75,
      stderr: expect.stringContaining('Cannot write to standard output: ENOSPC'),
    });
  });

  it('paints nothing of what it says beside its result where that goes to a file', () => {
    const told: string[] = [];
    const output = processOutput({
      lang: 'en',
      isJson: false,
      env: {},
      stdout: { isTTY: true, columns: 80, write: () => true },
      stderr: { isTTY: false, write: (text) => told.push(text) },
    });
    output.tell(paint('✘ no', 'red', output));
    expect(told).toEqual(['✘ no\n']);
  });
});

describe('millrace run --watch', () => {
  const { folder: cwd, remove } = project();
  afterAll(remove);

  it('ends when the run is taken out of the queue', async () => {
    const folder = join(cwd, 'state');
    const store = lowdbStore(folder);
    const slow = agent('slow', () => new Promise(() => undefined));
    const serving = serve([slow], { store, concurrency: 1 }).subscribe();
    await submit(slow, 1, { store, runId: 'first' });
    await until(async () => (await store.loadRun('first')) !== undefined);
    const output = processOutput({
      lang: 'en',
      isJson: false,
      env: {},
      stdout: { isTTY: false, columns: 80, write: () => true },
      stderr: { isTTY: false, write: () => true },
    });
    const watched = runCommand({
      args: ['slow', '2'],
      options: { id: 'second', watch: true, store: folder },
      output,
      env: {},
      folder: cwd,
      commands: [],
      signal: new AbortController().signal,
    });
    await until(async () => (await queuedRun(store, 'second')) !== undefined);
    await cancel('second', { store });

    await expect(watched).rejects.toMatchObject({ code: 'UNKNOWN_RUN' });
    serving.unsubscribe();
    await store.close();
  });
});
