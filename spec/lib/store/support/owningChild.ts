import { delay, of } from 'rxjs';

import { agent, chain, run } from '../../../../index';
import { processOwners } from '../../../../lib/store/folder/lock/owner';
import { lowdbStore } from '../../../../lib/store/folder/lowdbStore';

// Runs a chain of slow steps in a store, and says what was acknowledged. With a lease, only that proves who lives.
const [folder = '', runId = 'r', leaseMs = '', steps = '60'] = process.argv.slice(2);
const owners =
  leaseMs === ''
    ? processOwners
    : {
        ...processOwners,
        appear: async () => ({ ...(await processOwners.appear(`${folder}/lock`)), isProven: false }),
        sign: () => Promise.resolve('unknown' as const),
        leaseMs: Number(leaseMs),
      };
const store = lowdbStore(folder, { owners, rotateBytes: 6_000 });
const work = Array.from({ length: Number(steps) }, (_, i) =>
  agent(`s${i}`, () => of({ i, by: process.pid, pad: 'x'.repeat(700) }).pipe(delay(20))),
);
const begun = performance.now();
run(chain('c', ...(work as [(typeof work)[0]])), 1, { store, runId }).subscribe({
  next({ event }) {
    if (event.type === 'run.started' || event.type === 'run.resumed')
      console.log(`open ${Math.round(performance.now() - begun)}`);
    if (event.type === 'step.completed') console.log(`ack ${event.path}`);
  },
  error(error: unknown) {
    console.log(`error ${String(error)}`);
    store.close().catch((again: unknown) => console.log(`close ${String(again)}`));
  },
  complete() {
    console.log('done');
    void store.close();
  },
});
