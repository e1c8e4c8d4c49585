/*
 * Carries a run of 6 steps on in a folder, and writes the path of each call to a file beside it. The process ends on the spot in
 * the call of a step that is named, or that step fails.
 *
 *   resume <folder> [exit|fail <path>]
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { agent, chain, execute, lowdbStore } from '../../../index';

const [folder = '', how, where] = process.argv.slice(2);

const links = Array.from({ length: 6 }, (_, index) =>
  agent(`s${String(index)}`, (x: number, { path }) => {
    appendFileSync(join(folder, 'calls'), `${path} `);
    if (path === where && how === 'exit') process.exit(9);
    if (path === where && how === 'fail') throw new Error('down');
    return x * 3 + 1;
  }),
);

const store = lowdbStore(join(folder, 'state'));
void execute(chain('work', ...links), 1, { store, runId: 'r' }).then(async ({ status, output, life }) => {
  await store.close();
  console.log(JSON.stringify({ status, output, life }));
});
