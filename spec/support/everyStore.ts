import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { isRight } from 'fp-ts/Either';

import type { Store } from '../../index';
import { lowdbStore, memoryStore } from '../../index';
import { RunEvent } from '../../lib/codec/eventCodec';
import type { Claim } from '../../storePort';

const opened: Store[] = [];
const folders: string[] = [];
const unreadable: string[] = [];

afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  // No expect: tests count theirs.
  const [first] = unreadable.splice(0);
  if (first !== undefined) throw new Error(`An event was written that cannot be read: ${first}`);
});

/** The same store, which holds every event that is written against the form in which events are read. */
function withReadableEvents(store: Store): Store {
  const noteUnreadable = (event: unknown): void => {
    const text = JSON.stringify(event);
    if (!isRight(RunEvent.decode(JSON.parse(text)))) unreadable.push(text);
  };
  const watched = (claim: Claim): Claim => ({
    ...claim,
    append: (event) => {
      noteUnreadable(event);
      return claim.append(event);
    },
    note: (event) => {
      noteUnreadable(event);
      claim.note(event);
    },
  });
  return {
    ...store,
    claim: (runId) => {
      const claim = store.claim(runId);
      return claim instanceof Promise ? claim.then(watched) : watched(claim);
    },
  };
}

/** Where runs are kept, for `describe.each`: each call opens an empty store, which is closed behind the test. */
export const everyStore: readonly (readonly [where: string, open: () => Store])[] = [
  ['in memory', () => withReadableEvents(memoryStore())],
  [
    'in a folder',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'millrace-every-'));
      const store = lowdbStore(folder, { durability: 'process' });
      folders.push(folder);
      opened.push(store);
      return withReadableEvents(store);
    },
  ],
];
