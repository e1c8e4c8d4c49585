import { createHash, randomFillSync } from 'node:crypto';

import type { SchedulerLike } from 'rxjs';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';

import { LONGEST_RUN_ID } from '../errors/storageErrors';
import { orderedIds } from '../model/orderedIds';

/** Ids that sort by the moment they were made, also within one millisecond. */
export const newRunId: () => string = lazily(() => {
  const next = orderedIds(randoms());
  return () => next(asyncScheduler.now());
});

/** The name as the id of a run: of one that is too long, such as that of a window with a long key, the beginning and a hash of it all. */
export function fittingRunId(name: string): string {
  if (name.length <= LONGEST_RUN_ID) return name;
  const hash = createHash('sha256').update(name).digest('base64url');
  // No half of a letter of two.
  const beginning = name.slice(0, LONGEST_RUN_ID - hash.length - 2).replace(/[\uD800-\uDBFF]$/, '');
  return `${beginning}… ${hash}`;
}

/**
 * An id that no other run has: 80 random bits in 16 letters and digits.
 *
 * @param scheduler - Of the run. In virtual time its runs are numbered instead: a test sees the same events each time.
 */
export function newIncarnation(scheduler?: SchedulerLike): string {
  if (!(scheduler instanceof VirtualTimeScheduler)) return randomText();
  const count = (virtualRuns.get(scheduler) ?? 0) + 1;
  virtualRuns.set(scheduler, count);
  return String(count).padStart(16, '0');
}

const virtualRuns = new WeakMap<VirtualTimeScheduler, number>();

const randomText = lazily(() => {
  const random = randoms();
  return () => {
    let text = '';
    for (let count = 0; count < 16; count += 1) text += ALPHABET[Math.floor(random() * 32)] as string;
    return text;
  };
});

// Nothing that could be taken for something else in an address, a shell or a path.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

function lazily(make: () => () => string): () => string {
  let made: (() => string) | undefined;
  return () => (made ??= make())();
}

/** Numbers from 0 to 1 by the system's generator. It is asked for many at once: for each of 16 a run it took 3 us a run. */
function randoms(): () => number {
  const bytes = new Uint8Array(8192);
  let position = bytes.length;
  return () => {
    if (position === bytes.length) {
      randomFillSync(bytes);
      position = 0;
    }
    const byte = bytes[position] as number;
    position += 1;
    return byte / 256;
  };
}
