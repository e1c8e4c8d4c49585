import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { from, lastValueFrom, scan } from 'rxjs';

import { millrace } from '../millrace.mjs';
import { folder } from '../stored.mjs';

const ITEMS = 20_000;

/** A sum over items that goes on where it was left. Each batch is another stream, so that each begins at its beginning. */
function summing(go) {
  return () => {
    const home = folder();
    const run = go(home);
    return {
      units: ITEMS,
      run: async () => {
        const sum = await run();
        if (sum !== (ITEMS * (ITEMS + 1)) / 2) throw new Error(`the sum is ${sum}`);
      },
    };
  };
}

function* numbers(offset = 0) {
  for (let n = offset + 1; n <= ITEMS; n += 1) yield { offset: n, value: n };
}

export const workloads = [
  {
    id: 'W14',
    title: 'a sum that is saved with the offset of each of 20,000 items, one record an item',
    unit: 'item',
    variants: {
      'scan + JSON line': summing((home) => {
        const file = openSync(join(home, 'lines'), 'a');
        process.on('exit', () => closeSync(file));
        return () => {
          let n = 0;
          return lastValueFrom(
            from(numbers()).pipe(
              scan((sum, { offset, value }) => {
                const next = sum + value;
                writeSync(file, `${JSON.stringify({ offset, sum: next, n: (n += 1) })}\n`);
                return next;
              }, 0),
            ),
          );
        };
      }),
      millrace: summing((home) => {
        const store = millrace.lowdbStore(home, { durability: 'process' });
        let batch = 0;
        return () =>
          lastValueFrom(
            millrace
              .fromOffset(numbers, { name: `numbers ${(batch += 1)}`, store })
              .pipe(millrace.scanned('sum', (sum, n) => sum + n, 0)),
          );
      }),
    },
  },
];
