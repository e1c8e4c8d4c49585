import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import type { Subscription } from 'rxjs';
import { lastValueFrom, take, toArray } from 'rxjs';

import { agent, memoryStore, runEach } from '../../../index';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { lines } from '../../../operators/streams/lines';
import { random } from '../../lib/store/support/random';
import { amount } from '../../support/torture';

describe('lines()', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-lines-'));
    file = join(folder, 'app.log');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Follows the file; `told` grows. */
  function follow(store = memoryStore()) {
    const told: string[] = [];
    const subscription = fromOffset(lines(file, { pollMs: 10 }), { name: 'lines', store }).subscribe({
      next: (line) => told.push(line),
      error: (error: unknown) => told.push(`ERROR ${String(error)}`),
    });
    const until = async (count: number) => {
      for (let tries = 0; told.length < count && tries < 1_000; tries += 1) await wait(10);
      return told;
    };
    return { told, until, stop: () => subscription.unsubscribe() };
  }

  it('reads a file that does not end in a newline, with both kinds of line ends', async () => {
    writeFileSync(file, 'one\r\ntwo\n\n네번째');

    const all = fromOffset(lines(file, { follow: false }), { name: 'lines', store: memoryStore() });

    expect(await lastValueFrom(all.pipe(toArray()))).toEqual(['one', 'two', '', '네번째']);
  });

  it('goes on behind the line it was left at', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\ntwo\n');
    const first = follow(store);
    await first.until(2);
    first.stop();
    appendFileSync(file, 'three\n');
    const second = follow(store);

    expect(await second.until(1)).toEqual(['three']);
    second.stop();
  });

  it('waits for a file that is not there yet, and for the rest of a line', async () => {
    const { until, told, stop } = follow();
    await wait(30);
    writeFileSync(file, 'ha');
    await wait(60);
    expect(told).toEqual([]);
    appendFileSync(file, 'lf\n');

    expect(await until(1)).toEqual(['half']);
    stop();
  });

  it('reads letters whole that are cut where a chunk ends', async () => {
    const line = '가'.repeat(40_000);
    writeFileSync(file, `${line}\n${line}\n`);

    const all = fromOffset(lines(file, { follow: false }), { name: 'lines', store: memoryStore() });

    expect(await lastValueFrom(all.pipe(toArray()))).toEqual([line, line]);
  });

  it('goes on with the new file after a rotation by rename, each line once', async () => {
    writeFileSync(file, 'one\n');
    const { until, stop } = follow();
    await until(1);
    appendFileSync(file, 'two\n');
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'three\n');

    expect(await until(3)).toEqual(['one', 'two', 'three']);
    stop();
  });

  it('finds the rest of a file that was renamed while nobody read', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\n');
    const first = follow(store);
    await first.until(1);
    first.stop();
    appendFileSync(file, 'two\n');
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'three\n');
    const second = follow(store);

    expect(await second.until(2)).toEqual(['two', 'three']);
    second.stop();
  });

  it('begins again when the file is copied and truncated', async () => {
    writeFileSync(file, 'one\ntwo\n');
    const { until, stop } = follow();
    await until(2);
    copyFileSync(file, `${file}.1`);
    truncateSync(file, 0);
    appendFileSync(file, 'three\n');

    expect(await until(3)).toEqual(['one', 'two', 'three']);
    stop();
  });

  it('begins again when the file was truncated and has grown beyond the old length meanwhile', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\n');
    const first = follow(store);
    await first.until(1);
    first.stop();
    truncateSync(file, 0);
    appendFileSync(file, 'another\nlonger\n');
    const second = follow(store);

    expect(await second.until(2)).toEqual(['another', 'longer']);
    second.stop();
  });

  it('reads what was rotated several times while nobody read, oldest first', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\n');
    const first = follow(store);
    await first.until(1);
    first.stop();
    appendFileSync(file, 'two\n');
    for (const next of ['three\n', 'four\n']) {
      if (existsSync(`${file}.1`)) renameSync(`${file}.1`, `${file}.2`);
      renameSync(file, `${file}.1`);
      writeFileSync(file, next);
    }
    const second = follow(store);

    expect(await second.until(3)).toEqual(['two', 'three', 'four']);
    second.stop();
  });

  it('finds in a copy what was written before the file was cut', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\n');
    const first = follow(store);
    await first.until(1);
    first.stop();
    appendFileSync(file, 'two\n');
    copyFileSync(file, `${file}.1`);
    writeFileSync(file, 'three, which is longer\n');
    const second = follow(store);

    expect(await second.until(2)).toEqual(['two', 'three, which is longer']);
    second.stop();
  });

  it('takes the same line in the next content for another line', async () => {
    const store = memoryStore();
    const runs: string[] = [];
    const count = agent('count', (line: string) => runs.push(line));
    const read = () =>
      lastValueFrom(
        fromOffset(lines(file, { follow: false }), { name: 'lines', store }).pipe(runEach(count, { store })),
        { defaultValue: undefined },
      );
    writeFileSync(file, 'started\nworks\n');
    await read();
    truncateSync(file);
    await read();
    appendFileSync(file, 'started\n');
    await read();

    expect(runs).toEqual(['started', 'works', 'started']);
  });

  it('reads what is still written to a file after it was renamed', async () => {
    writeFileSync(file, 'one\n');
    const reader = follow();
    await reader.until(1);
    renameSync(file, `${file}.1`);
    writeFileSync(file, 'three\n');
    appendFileSync(`${file}.1`, 'two\n');

    expect(await reader.until(3)).toEqual(['one', 'two', 'three']);
    reader.stop();
  });

  it('joins line ends and letters that are cut where a chunk ends', async () => {
    const long = 'x'.repeat(64 * 1024 - 1);
    writeFileSync(file, `${long}\r\n${'가'.repeat(50_000)}\r\nend`);

    const all = fromOffset(lines(file, { follow: false }), { name: 'lines', store: memoryStore() });

    expect(await lastValueFrom(all.pipe(toArray()))).toEqual([long, '가'.repeat(50_000), 'end']);
  });

  it('tells how many bytes lie behind a line', async () => {
    const store = memoryStore();
    writeFileSync(file, 'one\ntwo\nthree\n');
    await lastValueFrom(fromOffset(lines(file), { name: 'lines', store }).pipe(take(2)));

    expect((await store.streams.list())[0]?.lags).toEqual({ lines: 10 });
  });

  it.each(Array.from({ length: amount(6, 300) }, (_, n) => n + 1))(
    'gives each line once, whatever becomes of the file, and however often the reader is stopped (%i)',
    async (seed) => {
      const draw = random(seed);
      const store = memoryStore();
      const told: string[] = [];
      const written: string[] = [];
      let reader: Subscription | undefined;
      const start = (): void => {
        reader = fromOffset(lines(file, { pollMs: 5 }), { name: 'lines', store }).subscribe((line) =>
          told.push(line),
        );
      };
      const shift = (): void => {
        for (let n = 9; n > 0; n -= 1)
          if (existsSync(`${file}.${String(n)}`))
            renameSync(`${file}.${String(n)}`, `${file}.${String(n + 1)}`);
      };
      // It has begun: what was rotated before that is not its business.
      appendFileSync(file, 'begin\n');
      written.push('begin');
      start();
      while (told.length === 0) await wait(5);
      for (let step = 0; step < 30; step += 1) {
        const what = draw();
        if (what < 0.5 || !existsSync(file)) {
          const line = `${String(step)} ${'y'.repeat(Math.floor(draw() * 300))}`;
          written.push(line);
          const cut = Math.floor(draw() * line.length);
          appendFileSync(file, line.slice(0, cut));
          if (draw() < 0.3) await wait(3);
          appendFileSync(file, `${line.slice(cut)}\n`);
        } else if (what < 0.6) {
          shift();
          renameSync(file, `${file}.1`);
        } else if (what < 0.7) {
          shift();
          copyFileSync(file, `${file}.1`);
          truncateSync(file);
        } else if (what < 0.85) {
          reader?.unsubscribe();
          reader = undefined;
        } else if (reader === undefined) start();
        await wait(draw() < 0.5 ? 0 : 12);
      }
      written.push('end');
      appendFileSync(file, 'end\n');
      if (reader === undefined) start();
      for (let tries = 0; told.at(-1) !== 'end' && tries < 1_000; tries += 1) await wait(10);
      reader?.unsubscribe();

      expect(told).toEqual(written);
    },
  );

  const inLinux = process.platform === 'linux' ? it : it.skip;

  inLinux('closes the file when it cannot be read', async () => {
    const isFolder = (descriptor: string): boolean => {
      try {
        return readlinkSync(join('/proc/self/fd', descriptor)) === realpathSync(folder);
      } catch {
        return false;
      }
    };
    const all = fromOffset(lines(folder, { follow: false }), { name: 'lines', store: memoryStore() });

    await expect(lastValueFrom(all)).rejects.toThrow('EISDIR');
    expect(readdirSync('/proc/self/fd').filter(isFolder)).toEqual([]);
  });

  it('waits for nothing more when it is left while it looks', async () => {
    const source = lines(file, { pollMs: 600_000 })(undefined) as AsyncIterable<unknown>;
    const reader = source[Symbol.asyncIterator]();
    const line = reader.next();
    await Promise.resolve();
    await reader.return?.();

    expect(await line).toMatchObject({ done: true });
  });
});
