import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import { lastValueFrom, toArray } from 'rxjs';

import { memoryStore } from '../../../index';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { lines } from '../../../operators/streams/lines';

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
      for (let tries = 0; told.length < count && tries < 300; tries += 1) await wait(10);
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
});
