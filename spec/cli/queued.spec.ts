import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import { hex } from '../../lib/store/folder/journal/journalRecord';
import { execute, lowdbStore, serve, submit } from '../../index';
import { book, contract } from './support/flows';
import { begin, millrace, millraceJson, project } from './support/typed';

describe('a run that waits in the queue', () => {
  let cwd: string;
  let remove: () => void;
  const typed = (...args: string[]) => millrace(args, { cwd, env: { TZ: 'UTC' } });
  const json = (...args: string[]) => millraceJson(args, { cwd });
  const waiting = () => lowdbStore(join(cwd, 'state')).queue.size();

  beforeEach(async () => {
    ({ folder: cwd, remove } = project());
    const store = lowdbStore(join(cwd, 'state'));
    await execute(book, 2, { store, runId: 'book-1' });
    await submit(book, 3, { store, runId: 'p-2' });
    const tags = { customer: '42' };
    await submit(contract, 'later', { store, runId: 'p-3', priority: 5, delayMs: 3_600_000, tags });
    await store.close();
  });
  afterEach(() => {
    remove();
  });

  it('is listed with its agent, its priority and when it begins', () => {
    const { stdout, stderr, exit } = typed('list');

    expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
    const rows = stdout
      .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<when>')
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(rows.slice(1, 3)).toEqual([
      ['·', 'p-3', 'contract', 'QUEUED', 'begins at <when>, by priority 5'],
      ['·', 'p-2', 'book', 'QUEUED', 'begins when it is its turn, by priority 0'],
    ]);
    expect(typed('list', '--lang', 'ko').stdout).toContain('우선순위 5');
  });

  it('is listed as JSON, newest first among the others', () => {
    const now = Date.now();
    const { json: runs } = json('list');

    expect(runs).toEqual([
      {
        runId: 'p-3',
        name: 'contract',
        status: 'QUEUED',
        queuedAt: expect.any(Number),
        priority: 5,
        dueAt: expect.any(Number),
        tags: { customer: '42' },
      },
      { runId: 'p-2', name: 'book', status: 'QUEUED', queuedAt: expect.any(Number), priority: 0 },
      expect.objectContaining({ runId: 'book-1', status: 'COMPLETED' }),
    ]);
    expect(Math.abs(runs[0].queuedAt - now)).toBeLessThan(60_000);
    expect(runs[0].dueAt - runs[0].queuedAt).toBeGreaterThan(3_590_000);
  });

  it.each([
    [
      ['--status', 'queued'],
      ['p-3', 'p-2'],
    ],
    [
      ['--status', 'queued,completed'],
      ['p-3', 'p-2', 'book-1'],
    ],
    [['--status', 'completed'], ['book-1']],
    [
      ['--name', 'book'],
      ['p-2', 'book-1'],
    ],
    [['--tag', 'customer=42'], ['p-3']],
    [['--text', 'CONTR'], ['p-3']],
    [['--since', '2999-01-01'], []],
    [['--failed-step', 'pages[2]/ocr'], []],
    [['--limit', '1'], ['p-3']],
  ])('is selected with %j', (options, ids) => {
    expect(json('list', ...options).json.map(({ runId }: { readonly runId: string }) => runId)).toEqual(ids);
  });

  it('is counted', () => {
    expect(json('list', '--counts').json).toEqual({
      QUEUED: 2,
      RUNNING: 0,
      SUSPENDED: 0,
      FAILED: 0,
      CANCELLED: 0,
      COMPLETED: 1,
    });
    expect(json('list', '--counts', '--name', 'book').json).toMatchObject({ QUEUED: 1, COMPLETED: 1 });
    expect(typed('list', '--counts').stdout).toContain('· 2 queued');
  });

  it.each(['p-3', 'P-3', '-3'])(
    'is shown, named %s: when it begins, who begins it, and what can be typed',
    (named) => {
      const { stdout, stderr, exit } = typed('show', named);

      expect({ stderr, exit }).toEqual({ stderr: '', exit: 5 });
      expect(stdout.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<when>')).toBe(
        [
          'contract  run p-3  QUEUED',
          'p-3 is queued, begins at <when>, by priority 5',
          'nobody serves the store now: it begins when somebody does',
          'tags: customer=42',
          '',
          'To cancel:  millrace cancel p-3',
          '',
        ].join('\n'),
      );
    },
  );

  it('is not what @last means, since it has not begun; where none has failed @failed says so', () => {
    expect(json('show', '@last').json).toMatchObject({ runId: 'book-1' });
    expect(typed('show', '@failed')).toMatchObject({
      exit: 2,
      stderr: '✘ Cannot find run "@failed"\n  no run has failed; millrace list names those that are there\n',
    });
  });

  it('is shown as JSON, with its input and what can be typed', () => {
    expect(json('show', 'p-3', '--store', './state')).toEqual({
      exit: 5,
      json: {
        runId: 'p-3',
        name: 'contract',
        status: 'QUEUED',
        queuedAt: expect.any(Number),
        priority: 5,
        dueAt: expect.any(Number),
        tags: { customer: '42' },
        input: 'later',
        isServed: false,
        next: 'millrace cancel p-3 --store ./state',
      },
    });
    expect(json('show', 'p-3', '--input')).toEqual({ exit: 5, json: 'later' });
  });

  it('is shown with who serves the store', async () => {
    const store = lowdbStore(join(cwd, 'state'));
    const serving = serve([contract], { store }).subscribe();
    try {
      while (!(await store.isServed())) await new Promise((resolve) => setTimeout(resolve, 20));

      // Not waited for at once: who serves must be able to say so meanwhile.
      const shown = begin(['show', 'p-3'], { cwd });
      const told = begin(['show', 'p-3', '--json'], { cwd });

      expect([await shown.ended, await told.ended]).toEqual([5, 5]);
      expect(shown.told()).toContain(`process ${process.pid} on `);
      expect(shown.told()).toContain('begins it, if it has an agent "contract"');
      expect(JSON.parse(told.told())).toMatchObject({ isServed: true, servedBy: { pid: process.pid } });
    } finally {
      serving.unsubscribe();
      await store.close();
    }
  });

  it.each([
    [['show', 'p-3', '--step', 'sign']],
    [['show', 'p-3', '--at', '3']],
    [['events', 'p-3']],
    [['watch', 'p-3']],
    [['resume', 'p-3', '--agents', './flows.mjs']],
    [['fork', 'p-3']],
    [['answer', 'p-3', 'sign', '1']],
    [['export', 'p-3']],
  ])('is named as one that has not begun by %j', (args) => {
    expect(json(...args)).toEqual({
      exit: 5,
      json: {
        error: {
          code: 'RUN_QUEUED',
          name: 'CommandError',
          message: 'Cannot look into run "p-3" or go on with it: it is queued and has not begun',
          next: 'millrace show p-3 says when it begins',
        },
      },
    });
  });

  it('is taken out of the queue by cancel, and it says so', async () => {
    const { stdout, exit } = typed('cancel', 'p-3', '--yes');

    expect({ stdout, exit }).toEqual({
      stdout: '✔ p-3  taken out of the queue, it had not begun\n',
      exit: 0,
    });
    expect(await waiting()).toBe(1);
    expect(json('show', 'p-3')).toMatchObject({ exit: 2, json: { error: { code: 'UNKNOWN_RUN' } } });
    expect(json('cancel', 'p-2')).toEqual({
      exit: 0,
      json: [{ runId: 'p-2', ok: true, isServed: false, wasQueued: true }],
    });
  });

  it.each(['cancel', 'delete'])(
    'is taken out by %s also with others, or when it is selected',
    async (command) => {
      expect(json(command, '--status', 'queued')).toMatchObject({
        exit: 64,
        json: { error: { code: 'NOT_CONFIRMED' } },
      });
      expect(typed(command, '--status', 'queued', '--yes')).toMatchObject({
        exit: 0,
        stdout: [
          '✔ p-3  taken out of the queue, it had not begun',
          '✔ p-2  taken out of the queue, it had not begun',
          '',
        ].join('\n'),
      });
      expect(await waiting()).toBe(0);
      expect(json('list').json).toMatchObject([{ runId: 'book-1' }]);
    },
  );

  it('is told with file and byte when its file is damaged; the others are listed, and cancel takes it out', async () => {
    const file = join(cwd, 'state/queue/p-3.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace('later', 'lateX'));

    const { stdout, stderr, exit } = typed('list');
    expect({ stderr, exit }).toEqual({ stderr: `✘ ${file} byte 0: the checksum differs\n`, exit: 0 });
    expect(stdout).toContain('p-2');
    expect(json('show', 'p-3')).toMatchObject({ exit: 65, json: { error: { code: 'STORE_CORRUPT' } } });
    expect(typed('cancel', 'p-3').stdout).toBe('✔ p-3  taken out of the queue, it had not begun\n');
    expect(await waiting()).toBe(1);
  });

  it('is told with file and byte when its tags are no text, as the library does: the others are listed', () => {
    const file = join(cwd, 'state/queue/p-3.json');
    const text = readFileSync(file, 'utf8').replace('{"customer":"42"}', '{"customer":42}');
    const body = text.slice(0, text.lastIndexOf(',\n"crc32"'));
    writeFileSync(file, `${body},\n"crc32": "${hex(crc32(body))}"\n}\n`);

    const { stdout, stderr, exit } = typed('list');
    expect({ stderr, exit }).toEqual({ stderr: `✘ ${file} byte 0: its tags are not strings\n`, exit: 0 });
    expect(stdout).toContain('p-2');
    expect(stdout).not.toContain('p-3');
  });
});
