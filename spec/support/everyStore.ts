import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Store } from '../../index';
import { lowdbStore, memoryStore } from '../../index';

const opened: Store[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** Where runs are kept, for `describe.each`: each call opens an empty store, which is closed behind the test. */
export const everyStore: readonly (readonly [where: string, open: () => Store])[] = [
  ['in memory', memoryStore],
  [
    'in a folder',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-every-'));
      const store = lowdbStore(folder, { durability: 'process' });
      folders.push(folder);
      opened.push(store);
      return store;
    },
  ],
];
