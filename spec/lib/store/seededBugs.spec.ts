import { fault, storeOn, work, workUntil } from './support/crash';
import type { Ignored } from './support/memoryFiles';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const isJournal = (path: string) => path.includes('/journal');
const isRun = (path: string) => path.includes('/runs');
const isHistory = (path: string) => path.includes('/history.json');

/** The power-loss test of crash.spec.ts, until it finds something. */
async function firstFault(ignored: Ignored): Promise<string | undefined> {
  const whole = new MemoryFiles(ignored);
  const store = storeOn(whole);
  await work(store).catch(() => undefined);
  await store.close().catch(() => undefined);
  const draw = random(23);
  for (let at = 1; at <= whole.calls + 1; at += 1) {
    const files = new MemoryFiles(ignored);
    const acknowledged = await workUntil(files, at, 'disk', false);
    for (const loss of ['nothing survives' as const, draw]) {
      const found = await fault(files.afterPowerLoss(loss), acknowledged);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

describe('the power-loss test finds a store (promises test 23)', () => {
  it.each<[string, Ignored]>([
    ['that does not sync its journal', { sync: isJournal }],
    ['that does not sync the folder of its journal', { syncFolder: isJournal }],
    ['that removes the journal of runs whose files are not synced', { sync: isRun }],
    ['that removes the journal of runs whose names are not synced', { syncFolder: isRun }],
    ['that does not sync history.json before its name', { sync: isHistory }],
    ['that acknowledges before it writes', { write: isJournal }],
  ])('%s', async (_, ignored) => {
    expect(await firstFault(ignored)).toBeDefined();
  });

  it('and nothing in the store as it is', async () => {
    expect(await firstFault({})).toBeUndefined();
  });
});
