/*
 * Carries a run on in a folder: a chain of 30 steps, or a DAG with 4 branches of 16 steps at once, while the journal often
 * begins a new file. Every call of an agent and every acknowledged step is written to a file of its own, so that whoever kills
 * this process can tell what happened.
 *
 *   child <folder> <chain|dag> <disk|process>
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { delay, of } from 'rxjs';

import { agent, chain, lowdbStore, run, workflow } from '../../../index';
import type { Agent, Wire } from '../../../index';

const [folder = '', shape = 'chain', durability = 'disk'] = process.argv.slice(2);

const step = (name: string): Agent<number, number> =>
  agent(
    name,
    (x: number, { attempt, path }) => {
      appendFileSync(join(folder, 'effects'), `${path}\n`);
      if (name.endsWith('7') && attempt === 1) throw new Error('the first attempt fails');
      return of((x * 31 + 7) % 1_000_003).pipe(delay(4));
    },
    { retry: 3 },
  );

const line = chain('line', ...Array.from({ length: 30 }, (_, index) => step(`s${String(index)}`)));

const branches = workflow('branches', (input: Wire<number>, add) => {
  const ends = Array.from({ length: 4 }, (_, branch) => {
    let wire = input;
    for (let index = 0; index < 16; index += 1) {
      const name = `b${String(branch)}s${String(index)}`;
      wire = add(name, step(name), wire);
    }
    return wire;
  });
  return add('sum', (all) => all.reduce((sum, x) => sum + x, 0), ends);
});

const store = lowdbStore(join(folder, 'state'), {
  durability: durability === 'disk' ? 'disk' : 'process',
  rotateBytes: 4_000,
});
// Kills come by chance, not by the step: three within the same one say nothing about it.
run(shape === 'chain' ? line : branches, 1, { store, runId: 'killed', maxCrashes: 1_000 }).subscribe({
  next: ({ event }) => {
    if (event.type === 'step.completed') {
      appendFileSync(join(folder, 'acknowledged'), `${event.path} ${JSON.stringify(event.output)}\n`);
      process.stdout.write('.');
    }
    if (event.type === 'run.completed') appendFileSync(join(folder, 'output'), JSON.stringify(event.output));
  },
  complete: () => void store.close(),
});
