/*
 * One life of a stream of the law, in a folder. It kills itself at the event with the given number, and tells in a file what somebody
 * outside has seen of it. Args: folder, file with the shape, number of the event.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { lowdbStore } from '../../../index';
import { mortalStore, streamOf } from '../support/streamLife';
import type { Shape } from '../support/streamShapes';

const [folder = '', shapeFile = '', killAt = 'Infinity'] = process.argv.slice(2);
const { shape, durability } = JSON.parse(readFileSync(shapeFile, 'utf8')) as {
  shape: Shape;
  durability: 'disk' | 'process';
};
let left = Number(killAt);
const beat = (): void => {
  left -= 1;
  if (left < 0) process.kill(process.pid, 'SIGKILL');
};
const tell = (...what: readonly unknown[]): void => {
  appendFileSync(join(folder, 'seen'), `${JSON.stringify(what)}\n`);
};

const store = lowdbStore(join(folder, 'state'), { durability });
streamOf(shape, mortalStore(store, beat), {
  beat,
  window: (id, content) => {
    tell('window', id, content);
  },
  done: (id, output) => {
    tell('run', id, JSON.stringify(output));
  },
  out: (item) => {
    tell('out', JSON.stringify(item));
  },
}).subscribe({
  error: (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
  complete: () => {
    // The stream is given back when it has ended; then nothing more is written.
    setImmediate(() => void store.close());
  },
});
