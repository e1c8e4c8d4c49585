import { closeSync, openSync } from 'node:fs';

import { delay, lastValueFrom, of, retry, switchMap, timer } from 'rxjs';

import { agent, chain, lowdbStore, run } from '../../../index';

// Six runs go on, each tried again, while for 300 ms no descriptor is left.
const [folder = ''] = process.argv.slice(2);
const store = lowdbStore(folder, { rotateBytes: 4_000 });
const step = (name: string) => agent(name, (n: number) => of(n + 1).pipe(delay(15)));
const [first, ...more] = Array.from({ length: 40 }, (_, i) => step(`s${String(i)}`));
const job = chain('job', first as ReturnType<typeof step>, ...(more as []));
const runs = Array.from({ length: 6 }, (_, i) =>
  lastValueFrom(
    // Some begin while there is none.
    timer(i * 60).pipe(
      switchMap(() => run(job, 0, { store, runId: `r${String(i)}` })),
      retry({
        delay: (_error, count) => of(count).pipe(delay(50)),
      }),
    ),
  ),
);
setTimeout(() => {
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'));
  } catch (error) {
    console.log((error as NodeJS.ErrnoException).code);
  }
  setTimeout(() => {
    for (const each of taken) closeSync(each);
  }, 300);
}, 150);
void Promise.all(runs)
  .then(async (ends) => {
    await store.close();
    console.log(JSON.stringify(ends.map(({ state }) => state.output)));
  })
  .catch((error: unknown) => {
    console.log(`failed ${String(error)}`);
  });
