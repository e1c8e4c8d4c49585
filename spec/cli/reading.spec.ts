import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lastValueFrom } from 'rxjs';
import stringWidth from 'string-width';

import { execute, fromOffset, lowdbStore, scanned } from '../../index';
import { book, contract, review } from './support/flows';
import { millrace, millraceJson, project } from './support/typed';

describe('the commands that read', () => {
  const { folder: cwd, remove } = project();
  const typed = (...args: string[]) => millrace(args, { cwd });
  const json = (...args: string[]) => millraceJson(args, { cwd });

  beforeAll(async () => {
    const store = lowdbStore(join(cwd, 'state'));
    await execute(book, 4, { store, runId: 'book-1', tags: { customer: '42' } });
    await execute(book, 2, { store, runId: 'book-2' });
    await execute(contract, 'rent', { store, runId: 'rent-1' });
    await execute(review, '안녕', { store, runId: '한국' });
    await store.close();
  });
  afterAll(remove);

  describe('millrace list', () => {
    it('lists runs, newest first, with what failed and what waits', () => {
      const { stdout, stderr, exit } = typed('list');

      expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
      const rows = stdout
        .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +[\d.]+ (ms|s)/g, '<when>')
        .split('\n')
        .map((line) => line.split(/ {2,}/));
      expect(rows).toEqual([
        ['', 'RUN', 'NAME', 'STATUS', 'STARTED', 'TOOK', 'STEPS', 'NOTE'],
        ['✔', '한국', '계약검토', 'COMPLETED', '<when>', '1/1'],
        ['‖', 'rent-1', 'contract', 'SUSPENDED', '<when>', '1/3', 'waits for an answer: sign'],
        ['✔', 'book-2', 'book', 'COMPLETED', '<when>', '6/6'],
        ['✘', 'book-1', 'book', 'FAILED', '<when>', '3/7', 'pages[2]/ocr', 'Error: scanner jammed on page 2'],
        [''],
      ]);
    });

    it('aligns Korean by the columns that it takes', () => {
      const lines = typed('list').stdout.trimEnd().split('\n');
      const starts = lines.slice(1).map((line) => stringWidth(line.slice(0, line.search(/\d{4}-\d\d-\d\d/))));

      expect(new Set(starts).size).toBe(1);
    });

    it('gives the summaries of the library as JSON', async () => {
      const store = lowdbStore(join(cwd, 'state'));

      expect(json('list')).toEqual({ json: JSON.parse(JSON.stringify(await store.listRuns())), exit: 0 });
    });

    it.each([
      [
        ['--status', 'failed,suspended'],
        ['rent-1', 'book-1'],
      ],
      [['--name', 'book', '--limit', '1'], ['book-2']],
      [['--failed-step', 'pages[2]/ocr'], ['book-1']],
      [['--tag', 'customer=42'], ['book-1']],
      [['--text', 'jammed'], ['book-1']],
      [
        ['--since', '1h', '--resting'],
        ['한국', 'rent-1', 'book-2', 'book-1'],
      ],
      [['--since', '2999-01-01'], []],
    ])('selects with %j', (options, ids) => {
      const { json: runs } = json('list', ...options);

      expect(runs.map(({ runId }: { readonly runId: string }) => runId)).toEqual(ids);
    });

    it('counts', () => {
      expect(json('list', '--counts').json).toEqual({
        QUEUED: 0,
        RUNNING: 0,
        SUSPENDED: 1,
        FAILED: 1,
        CANCELLED: 0,
        COMPLETED: 2,
      });
      expect(typed('list', '--counts').stdout).toContain('✘ 1 failed');
    });

    it('speaks Korean when asked, or by the environment', () => {
      expect(typed('list', '--lang', 'ko').stdout).toContain('상태');
      expect(millrace(['list'], { cwd, env: { LANG: 'ko_KR.UTF-8' } }).stdout).toContain('답을 기다림: sign');
      expect(millrace(['list', '--lang', 'en'], { cwd, env: { LC_ALL: 'ko_KR.UTF-8' } }).stdout).toContain(
        'STATUS',
      );
    });

    it('finds the store by --store, by an argument, by MILLRACE_STORE and by the configuration', () => {
      const elsewhere = project();
      const state = join(cwd, 'state');
      const at = { cwd: elsewhere.folder };
      const has = (typedAt: { readonly stdout: string }) => typedAt.stdout.includes('rent-1');

      expect(has(millrace(['list', '--store', state], at))).toBe(true);
      expect(has(millrace(['list', state], at))).toBe(true);
      expect(has(millrace(['list'], { ...at, env: { MILLRACE_STORE: state } }))).toBe(true);
      writeFileSync(join(elsewhere.folder, 'millrace.config.json'), JSON.stringify({ store: state }));
      expect(has(millrace(['list'], at))).toBe(true);
      elsewhere.remove();
    });
  });

  describe('millrace show', () => {
    it('shows a run that failed, what to type next, and exits with 1', () => {
      const { stdout, stderr, exit } = typed('show', 'book-1');

      expect({ stderr, exit }).toEqual({ stderr: '', exit: 1 });
      expect(stdout.replaceAll(/[\d.]+ (ms|s)\b/g, '<ms>').replaceAll(/ {2,}/g, '  ')).toBe(
        [
          'book  run book-1  FAILED  <ms>  3 completed, 2 failed, 2 pending',
          'tags: customer=42',
          ' ✔ load  <ms>',
          ' ✘ pages  <ms>  2/3 inside done  Error: scanner jammed on page 2',
          '  ✔ [0]/ocr  <ms>',
          '  ✔ [1]/ocr  <ms>',
          '  ✘ [2]/ocr  <ms>  attempt 3  Error: scanner jammed on page 2',
          ' · stats',
          ' · write',
          '',
          'To go on:  start your program again with the same runId, or millrace resume book-1 --agents <file>',
          "From here:  millrace fork book-1 --from 'pages[2]/ocr' --resume --agents <file>",
          '',
        ].join('\n'),
      );
    });

    it.each([
      ['book-2', 0],
      ['book-1', 1],
      ['rent-1', 4],
      ['@last', 0],
      ['@failed', 1],
      ['ent-1', 4],
      ['국', 0],
    ])('finds %s and exits with %i', (named, exit) => {
      expect(typed('show', named).exit).toBe(exit);
    });

    it('names those that fit when the end of an id fits several', () => {
      expect(json('show', '-1')).toMatchObject({ exit: 2, json: { error: { code: 'RUN_AMBIGUOUS' } } });
      expect(typed('show', '1').stderr).toContain('rent-1, book-1');
    });

    it('gives the whole state as JSON, as the library has it', async () => {
      const state = await lowdbStore(join(cwd, 'state')).loadRun('book-1');
      const { summary, ...shown } = json('show', 'book-1').json;

      expect(shown).toEqual(JSON.parse(JSON.stringify(state)));
      expect(summary).toMatchObject({ runId: 'book-1', failedStep: 'pages[2]/ocr' });
    });

    it('shows one step: attempts, error, where it was thrown, and its cause', () => {
      const { stdout } = typed('show', 'book-1', '--step', 'pages[2]/ocr');

      expect(stdout).toContain('Error: scanner jammed on page 2');
      expect(stdout).toContain('cause: Error: no paper');
      expect(stdout).toMatch(/at .*flows\.ts/);
      expect(stdout.match(/\[\d\] {2}ran/g)).toHaveLength(3);
    });

    it('gives inputs and outputs as they are', () => {
      expect(json('show', 'book-2', '--output')).toEqual({ json: '2 pages', exit: 0 });
      expect(JSON.parse(typed('show', 'book-2', '--output', 'pages[1]/ocr').stdout)).toEqual({
        page: 1,
        words: 3,
      });
      expect(json('show', 'book-1', '--input')).toEqual({ json: 4, exit: 1 });
    });

    it('shows a run as it stood after an event', () => {
      const { json: state, exit } = json('show', 'book-1', '--at', '3');

      expect({ status: state.status, exit }).toEqual({ status: 'RUNNING', exit: 5 });
      expect(json('show', 'book-1', '--at', '999')).toMatchObject({
        exit: 64,
        json: { error: { code: 'USAGE' } },
      });
    });

    it('draws the run for Mermaid, coloured by how its steps stand', () => {
      const { stdout } = typed('show', 'book-1', '--mermaid');

      expect(stdout).toContain('s1["pages 2/3"]');
      expect(stdout).toContain('class s1 FAILED');
    });

    it.each([
      [['show', 'nope'], 'UNKNOWN_RUN', 2],
      [['show', 'book-1', '--step', 'nope'], 'UNKNOWN_STEP', 2],
      [['show'], 'USAGE', 64],
      [['show', 'book-1', '--nope'], 'USAGE', 64],
      [['list', '--limit', 'x'], 'USAGE', 64],
      [['list', '--since', 'soon'], 'USAGE', 64],
      [['list', '--status', 'done'], 'USAGE', 64],
      [['list', '--store', './none'], 'STORE_NOT_FOUND', 2],
      [['prune', '--keep', '1', '--yes', '--store', '.'], 'STORE_NOT_FOUND', 2],
      [['nope'], 'USAGE', 64],
    ])('refuses %j with %s: alone on stdout as JSON, on stderr for people', (args, code, exit) => {
      const told = json(...args);
      const plain = typed(...args);

      expect(told).toMatchObject({
        exit,
        json: { error: { code, message: expect.any(String), next: expect.any(String) } },
      });
      expect(Object.keys(told.json.error)).toEqual(['code', 'name', 'message', 'next']);
      expect(plain).toMatchObject({ stdout: '', exit });
      expect(plain.stderr).toContain(told.json.error.message);
    });
  });

  describe('millrace events and logs', () => {
    it('tells every kept event, one JSON a line', () => {
      const lines = typed('events', 'book-2', '--json')
        .stdout.trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));

      expect(lines.map(({ offset }) => offset)).toEqual(lines.map((_, index) => index + 1));
      expect(lines[0].event.type).toBe('run.started');
      expect(lines.at(-1).event.type).toBe('run.completed');
    });

    it('selects by type, by path and by number', () => {
      const { stdout } = typed('events', 'book-1', '--type', 'step.failed,run');

      expect(
        stdout
          .trimEnd()
          .split('\n')
          .map((line) => line.split(/ +/)[3]),
      ).toEqual(expect.arrayContaining(['run.started', 'step.failed', 'run.failed']));
      expect(
        typed('events', 'book-1', '--path', 'pages[*]/ocr', '--type', 'step.completed').stdout.match(/\n/g),
      ).toHaveLength(2);
      expect(typed('events', 'book-1', '--since', '5').stdout.trimStart()).toMatch(/^6 /);
    });

    it('tells what steps have logged', () => {
      expect(typed('logs', 'book-1', '--path', 'pages[0]/*').stdout).toMatch(
        /^\d\d:\d\d:\d\d\.\d{3} INFO {5}pages\[0\]\/ocr {2}reading page 0 {2}\{"page":0\}\n$/,
      );
      expect(typed('logs', 'book-1', '--level', 'error').stdout).toBe('');
      expect(typed('logs', 'book-1', '--level', 'loud').exit).toBe(64);
    });
  });

  it.each([
    [['show'], "missing required argument 'run'", 'millrace show --help'],
    [['answer', '--lang', 'ko'], "missing required argument 'run'", 'millrace answer --help'],
    [['list', '--tre'], "unknown option '--tre'", 'millrace list --help'],
    [['shwo'], "unknown command 'shwo'", 'millrace --help'],
  ])('%j is refused with the help that says what can be typed', (args, message, help) => {
    const { stderr, exit } = typed(...args);

    expect(exit).toBe(64);
    expect(stderr).toContain(message);
    expect(stderr).toContain(`\n  ${help} shows what can be typed\n`);
  });

  it('--help and --version answer without a store', () => {
    const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8'));

    expect(typed('--version')).toEqual({ stdout: `${version}\n`, stderr: '', exit: 0 });
    expect(typed('show', '--help').stdout).toContain('--mermaid');
    expect(typed('show', '--help', '--lang', 'ko').stdout).toContain('사용법:');
    expect(typed().exit).toBe(0);
  });

  it('lists the others when the file of a run is damaged, and says what is wrong with that one', () => {
    const copy = project();
    const state = join(copy.folder, 'state');
    const store = lowdbStore(state);
    return execute(book, 1, { store, runId: 'one' })
      .then(() => execute(book, 1, { store, runId: 'two' }))
      .then(() => store.close())
      .then(() => {
        const file = join(state, 'runs', readdirSync(join(state, 'runs'))[0] ?? '');
        writeFileSync(file, readFileSync(file).subarray(0, 200));
        const { stdout, exit } = millrace(['list'], { cwd: copy.folder });

        expect(exit).toBe(0);
        expect(stdout).toMatch(/two +book +COMPLETED/);
        expect(stdout).toMatch(/one +book +cannot be read .*byte 200: the end is missing/);
        expect(millrace(['show', 'one'], { cwd: copy.folder }).exit).toBe(65);
        copy.remove();
      });
  });

  describe('millrace streams', () => {
    it('lists what streams remember: offset, lag, rows, the latest record', async () => {
      const store = lowdbStore(join(cwd, 'state'));
      const items = [
        { offset: 1, value: 'kim', lag: 9 },
        { offset: 2, value: 'lee', lag: 4 },
      ];
      await lastValueFrom(
        fromOffset(() => items, { name: 'visits', store }).pipe(
          scanned('by user', (count) => count + 1, 0, { key: (user) => user }),
        ),
      );
      await store.close();

      expect(typed('streams').stdout.replace(/\d{4}-\S+ \S+/, '<when>')).toBe(
        'STREAM  OFFSET  LAG  ROWS       LATE  LATEST RECORD\nvisits  2       4    by user 2        <when>\n',
      );
      expect(json('streams')).toMatchObject({
        json: [
          { name: 'visits', offsets: { visits: 2 }, lags: { visits: 4 }, tables: { 'by user': 2 }, late: {} },
        ],
        exit: 0,
      });
      expect(typed('streams', '--lang', 'ko').stdout).toMatch(/^스트림 +오프셋 +지연/);
      expect(json('streams', join(cwd, 'nowhere'))).toMatchObject({
        json: { error: { code: 'STORE_NOT_FOUND' } },
        exit: 2,
      });
    });

    it('tells a stream that cannot be read, and doctor names file and byte', () => {
      const copy = project();
      cpSync(join(cwd, 'state'), join(copy.folder, 'state'), { recursive: true });
      const file = join(copy.folder, 'state/streams/visits/stream.json');
      writeFileSync(file, readFileSync(file, 'utf8').replace('"visits"', '"visitz"'));

      const { stdout, stderr, exit } = millrace(['streams'], { cwd: copy.folder });
      expect({ stdout, exit }).toEqual({ stdout: 'no streams\n', exit: 0 });
      expect(stderr).toContain('visits: Cannot trust');
      expect(millraceJson(['streams'], { cwd: copy.folder }).json).toMatchObject([
        { name: 'visits', error: { code: 'STORE_CORRUPT' } },
      ]);
      const examined = millrace(['doctor'], { cwd: copy.folder });
      expect(examined.exit).toBe(65);
      expect(examined.stdout).toContain(`${file}  byte 0: the checksum differs`);
      copy.remove();
    });
  });
});
