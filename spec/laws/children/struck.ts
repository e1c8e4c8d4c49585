/*
 * Carries out random structures whose leaves fail, all at once in one folder, and kills itself with SIGKILL right behind a failed step:
 * between that and the end of its run.
 *
 *   child <folder> <seed> <how many structures> <after how many failures> <disk|process>
 */
import fc from 'fast-check';

import * as library from '../../../index';
import { arbitraryCase, failing } from '../support/lives';

const [folder = '', seed = '0', count = '1', strikeAfter = '1', durability = 'disk'] = process.argv.slice(2);

const store = library.lowdbStore(folder, { durability: durability === 'disk' ? 'disk' : 'process' });
let failures = 0;
const ended = fc.sample(arbitraryCase, { seed: Number(seed), numRuns: Number(count) }).map(
  (drawn, index) =>
    new Promise<void>((resolve) => {
      failing(library, drawn, store, `r${String(index)}`).subscribe({
        next({ event }) {
          if (event.type !== 'step.failed') return;
          failures += 1;
          if (failures === Number(strikeAfter)) process.kill(process.pid, 'SIGKILL');
        },
        error: () => {
          resolve();
        },
        complete: resolve,
      });
    }),
);
void Promise.all(ended).then(() => store.close());
