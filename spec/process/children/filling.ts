/*
 * Carries a run of 120 steps on, each of which gives about 20 KB, in a store on a disk that may be full. Every call and every
 * acknowledged step is written to a file on another disk. Prints how it ended.
 *
 *   child <folder of the store> <folder of the files>
 */
import { createHash } from 'node:crypto';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { agent, chain, lowdbStore, run } from '../../../index';

const [state = '', told = ''] = process.argv.slice(2);

/** About 20 KB that cannot be told from noise and follow from what came before. */
const next = (text: string): string => {
  let noise = createHash('sha512').update(text).digest('base64');
  while (noise.length < 20_000) noise += createHash('sha512').update(noise).digest('base64');
  return noise;
};

const steps = Array.from({ length: 120 }, (_, index) =>
  agent(`s${String(index)}`, (text: string, { path }) => {
    appendFileSync(join(told, 'effects'), `${path}\n`);
    return next(text);
  }),
);

const store = lowdbStore(state);
run(chain('filling', ...steps), 'begin', { store, runId: 'full' }).subscribe({
  next: ({ event }) => {
    if (event.type === 'step.completed') appendFileSync(join(told, 'acknowledged'), `${event.path}\n`);
    if (event.type !== 'run.completed') return;
    const hash = createHash('sha256').update(JSON.stringify(event.output)).digest('hex');
    writeFileSync(join(told, 'output'), hash);
  },
  error: (error: unknown) => {
    const { name, systemCode = '' } = error as Error & { readonly systemCode?: string };
    console.log(`${name} ${systemCode}`.trim());
    void store.close().catch(() => undefined);
  },
  complete: () => {
    void store.close().then(
      () => {
        console.log('completed');
      },
      (error: unknown) => {
        console.log(`${(error as Error).name} at the end`);
      },
    );
  },
});
