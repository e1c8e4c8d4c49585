import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';

import fc from 'fast-check';
import type { transport } from 'winston';
import * as winston from 'winston';

import type { LogEntry } from '../../../lib/log/entry';
import { createLogger } from '../../../lib/log/logger';
import { InvalidArgumentError } from '../../../lib/model/failure';

/** A stream that keeps what it is given. */
function keeping(): { readonly stream: NodeJS.WritableStream; readonly lines: () => string[] } {
  const chunks: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, next) {
      chunks.push(chunk.toString());
      next();
    },
  });
  return { stream, lines: () => chunks.join('').split('\n').slice(0, -1) };
}

/** An output that does this with each entry. */
function transportOf(log: (info: never, next: (error?: Error) => void) => void): transport {
  // The types know the base class only as a type.
  const { Transport } = winston as unknown as { readonly Transport: new (options: object) => transport };
  return new Transport({ log });
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-log-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
  jest.restoreAllMocks();
});

describe('createLogger()', () => {
  it('loads winston only when the first entry goes to an output', () => {
    jest.isolateModules(() => {
      const loaded = jest.fn();
      jest.doMock('winston', () => {
        loaded();
        return jest.requireActual('winston');
      });
      const { createLogger: create } = jest.requireActual<{ readonly createLogger: typeof createLogger }>(
        '../../../lib/log/logger',
      );
      const logger = create();
      logger.info('a', 'only remembered');
      expect(loaded).not.toHaveBeenCalled();
      expect(logger.getLogs()).toHaveLength(1);
    });
  });

  it('appends to a file that only its owner can read, and has everything there when closed', async () => {
    const file = join(folder, 'run.log');
    const logger = createLogger({ file });
    for (let i = 0; i < 1_000; i += 1) logger.info('a', `line ${i}`);
    await logger.close();

    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    expect(lines).toHaveLength(1_000);
    expect(JSON.parse(lines[999] ?? '')).toMatchObject({ message: 'line 999' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(logger.getDropCount()).toBe(0);
  });

  it('hands finished, redacted entries to other transports of winston', async () => {
    const file = join(folder, 'winston.log');
    const seen: unknown[] = [];
    const own = transportOf((info: LogEntry, next) => {
      seen.push({ ...info });
      next();
    });
    const toFile: transport = Object(new winston.transports.File({ filename: file })) as transport;
    const logger = createLogger({ transports: [own, toFile] });
    logger.error('a', 'b', { password: 'hunter2' });
    await logger.close();

    expect(seen).toEqual([expect.objectContaining({ level: 'ERROR', data: { password: '[redacted]' } })]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      message: 'b',
      data: { password: '[redacted]' },
    });
  });

  it('lets no output spoil the entry for another', async () => {
    const { stream, lines } = keeping();
    const spoiler = transportOf((info: { message: string }, next) => {
      info.message = 'spoilt';
      next();
    });
    const logger = createLogger({ console: stream, transports: [spoiler] });
    logger.info('a', 'fine');
    await logger.close();

    expect(lines().map((line) => (JSON.parse(line) as LogEntry).message)).toEqual(['fine']);
    expect(logger.getLogs()[0]?.message).toBe('fine');
  });

  it('never throws, whatever it is given', () => {
    jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { stream, lines } = keeping();
    const logger = createLogger({ level: 'DEBUG', console: stream });
    const circular: Record<string, unknown> = { name: 'me' };
    circular['self'] = circular;
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const hostile: unknown[] = [
      undefined,
      null,
      'text',
      42n,
      Symbol('s'),
      Number.NaN,
      new Date(Number.NaN),
      new Map<unknown, unknown>([
        [{}, 1],
        ['k', new Set([1])],
      ]),
      circular,
      revoked.proxy,
      Object.create(null),
      JSON.parse('{"__proto__": {"polluted": true}}'),
      {
        get broken(): never {
          throw new Error('no');
        },
      },
      {
        toJSON(): never {
          throw new Error('no');
        },
      },
      () => {
        throw new Error('lazy');
      },
      () => Promise.reject(new Error('later')).catch(() => undefined),
      new Error('outer', { cause: new Error('inner') }),
      Object.assign(new Error('own'), {
        toString(): never {
          throw new Error('no');
        },
      }),
      new Uint8Array(1_000_000),
      Array.from({ length: 100_000 }, (_, i) => i),
      'x'.repeat(1_000_000),
    ];
    for (const data of hostile) logger.info('a', 'b', data as object);
    logger.info(
      Symbol('c') as unknown as string,
      {
        toString(): never {
          throw new Error('no');
        },
      } as unknown as string,
    );
    logger.log('LOUD' as 'INFO', 'a', 'an unknown level is INFO');
    for (const at of [Number.NaN, Infinity, 9e15]) logger.log('INFO', 'a', 'a wrong time', {}, at);

    expect(logger.getLogs()).toHaveLength(hostile.length + 5);
    for (const line of lines()) expect(Object.keys(JSON.parse(line) as object)).toHaveLength(5);
    expect(lines()).toHaveLength(hostile.length + 5);
    expect(Math.max(...lines().map((line) => line.length))).toBeLessThan(200_000);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('writes one physical line for any message, also for readers who split at other line ends', () => {
    const { stream, lines } = keeping();
    const logger = createLogger({ console: stream });
    const texts = fc.sample(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc
          .array(
            fc.constantFrom(
              '\n',
              '\r',
              '\r\n',
              '\u2028',
              '\u2029',
              '\u0085',
              '\v',
              '\f',
              '\0',
              '\u001b[2J',
              '\u202e',
              '\ud800',
              '"}',
              '가',
            ),
            { maxLength: 20 },
          )
          .map((parts) => parts.join('')),
      ),
      { numRuns: 1_000, seed: 7 },
    );
    for (const text of texts) logger.info(text, text, { [text]: text });

    expect(lines()).toHaveLength(1_000);
    for (const [index, line] of lines().entries()) {
      // eslint-disable-next-line no-control-regex -- none of these may be there
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/);
      expect((JSON.parse(line) as LogEntry).message).toBe(texts[index]);
    }
  });

  it('drops and counts what a full stream cannot take', async () => {
    const slow = new PassThrough({ highWaterMark: 64 });
    const logger = createLogger({ console: slow, queue: 10 });
    for (let i = 0; i < 100; i += 1) logger.info('a', `line ${i}`);

    expect(logger.getDropCount()).toBe(89);
    slow.resume();
    await logger.close();
    expect(logger.getDropCount()).toBe(89);
    expect(logger.getLogSummary().INFO).toBe(100);
  });

  it('keeps the other outputs going when one never answers, and closes all the same', async () => {
    const { stream, lines } = keeping();
    jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const stuck = transportOf(() => undefined);
    const logger = createLogger({ console: stream, transports: [stuck], queue: 20, closeTimeoutMs: 30 });
    for (let i = 0; i < 100; i += 1) logger.info('a', `line ${i}`);
    await logger.close();

    expect(lines()).toHaveLength(100);
    expect(logger.getDropCount()).toBeGreaterThan(0);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('broken');
      },
    ],
    [
      'errors',
      (_info: unknown, next: (error: Error) => void) => {
        next(new Error('broken'));
      },
    ],
  ])('counts and reports once when an output %s', async (_how, log) => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { stream, lines } = keeping();
    const transport = transportOf(log);
    const logger = createLogger({ console: stream, transports: [transport], closeTimeoutMs: 30 });
    for (let i = 0; i < 5; i += 1) logger.info('a', `line ${i}`);
    await new Promise((resolve) => setImmediate(resolve));
    await logger.close();

    expect(lines()).toHaveLength(5);
    expect(logger.getDropCount()).toBeGreaterThan(0);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('survives a stream that breaks', async () => {
    jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const stream = new PassThrough();
    const logger = createLogger({ console: stream });
    stream.destroy(new Error('EPIPE'));
    await new Promise((resolve) => setImmediate(resolve));
    logger.info('a', 'b');
    await logger.close();
    expect(logger.getDropCount()).toBe(1);
  });

  it('counts what a disk refuses, and goes on', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    writeFileSync(join(folder, 'no folder'), '');
    const logger = createLogger({ file: join(folder, 'no folder', 'run.log') });
    logger.info('a', 'b');
    await logger.close();
    expect(logger.getDropCount()).toBe(1);
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('is not stopped by a pipe that nobody reads, and counts what it cannot take', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const file = join(folder, 'run.log');
    execFileSync('mkfifo', [file]);
    const logger = createLogger({ file });
    logger.info('a', 'b');
    await logger.close();
    expect(logger.getDropCount()).toBe(1);
    expect(String(warn.mock.calls[0]?.[0])).toContain('ENXIO');
  });

  it('makes the folder, and begins the file anew when it is renamed or deleted, its folder too', async () => {
    const below = join(folder, 'made', 'twice');
    const file = join(below, 'run.log');
    const logger = createLogger({ file });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    logger.info('a', 'first');
    await turn();
    renameSync(file, `${file}.1`);
    logger.info('a', 'second');
    await turn();
    rmSync(file);
    logger.info('a', 'third');
    await turn();
    const third = readFileSync(file, 'utf8');
    rmSync(below, { recursive: true });
    mkdirSync(below);
    logger.info('a', 'fourth');
    await logger.close();

    expect(third).toMatch(/^[^\n]*third[^\n]*\n$/);
    expect(readFileSync(file, 'utf8')).toContain('fourth');
    expect(logger.getDropCount()).toBe(0);
  });

  it('keeps to its file when the process goes to another folder', async () => {
    const [here, there] = [join(folder, 'here'), join(folder, 'there')];
    for (const one of [here, there]) mkdirSync(one);
    const before = process.cwd();
    try {
      process.chdir(here);
      const logger = createLogger({ file: 'run.log' });
      process.chdir(there);
      logger.info('a', 'first');
      await new Promise(setImmediate);
      process.chdir(before);
      logger.info('a', 'second');
      await logger.close();
    } finally {
      process.chdir(before);
    }
    expect(readFileSync(join(here, 'run.log'), 'utf8').trimEnd().split('\n')).toHaveLength(2);
  });

  it.each([Infinity, 2 ** 31])(
    'waits for an output as long as it is told, also for %p ms',
    async (closeTimeoutMs) => {
      const told: string[] = [];
      const slow = transportOf(({ message }: LogEntry, next) => {
        setTimeout(() => {
          told.push(message);
          next();
        }, 50);
      });
      const logger = createLogger({ transports: [slow], closeTimeoutMs });
      logger.info('a', 'b');
      await logger.close();

      expect([told, logger.getDropCount()]).toEqual([['b'], 0]);
    },
  );

  it.each([
    { keep: Number.NaN },
    { keep: 1.5 },
    { keep: -1 },
    { queue: Number.NaN },
    { queue: '9' as never },
    { closeTimeoutMs: Number.NaN },
  ])('is not made with %p', (options) => {
    expect(() => createLogger(options)).toThrow(InvalidArgumentError);
  });

  it('only remembers and counts what comes after close(), which may be called twice', async () => {
    const file = join(folder, 'run.log');
    const logger = createLogger({ file });
    logger.info('a', 'in time');
    await Promise.all([logger.close(), logger.close()]);
    logger.info('a', 'late');
    expect(readFileSync(file, 'utf8')).not.toContain('late');
    expect(logger.getLogs()).toHaveLength(2);
    expect(logger.getDropCount()).toBe(1);
  });

  it('leaves no listeners behind', async () => {
    const before = [process.listenerCount('exit'), process.stderr.listenerCount('error')];
    const loggers = Array.from({ length: 20 }, (_, i) =>
      createLogger({ file: join(folder, `${i}.log`), console: true }),
    );
    await Promise.all(loggers.map((logger) => logger.close()));
    expect([process.listenerCount('exit'), process.stderr.listenerCount('error')]).toEqual(before);
  });

  it('takes its time from the given clock', () => {
    const logger = createLogger({ scheduler: { now: () => 86_400_000 } });
    logger.info('a', 'b');
    expect(logger.getLogs()[0]?.timestamp).toBe('1970-01-02T00:00:00.000Z');
  });
});
