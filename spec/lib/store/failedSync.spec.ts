import { storeOn } from './support/crash';
import { append, folded, life, throughJson } from './support/life';
import { errno, MemoryFiles } from './support/memoryFiles';

const book = life('book', 6);
const other = life('other', 2);

/** Fails the next sync of the journal, or of its folder, once; the system takes all later ones. */
function failOnce(files: MemoryFiles, name: 'sync' | 'syncFolder'): void {
  files.fate = (call) => {
    if (call.name !== name || !call.path.includes('/journal')) return undefined;
    files.fate = () => undefined;
    return { error: errno('EIO', call.path) };
  };
}

describe('a store whose sync has failed (P7)', () => {
  it.each([
    ['sync', 3],
    ['syncFolder', 0],
  ] as const)(
    'acknowledges nothing to the runs under way when a %s failed, and opens the folder anew for those that begin',
    async (name, before) => {
      const files = new MemoryFiles();
      const store = storeOn(files, 'disk', 1 << 20);
      const claim = await store.claim('book');
      const bystander = await store.claim('other');
      await append(claim, book.slice(0, before));
      failOnce(files, name);
      await expect(async () => claim.append(book[before]!)).rejects.toMatchObject({
        name: 'StorageError',
        code: 'STORAGE_FAILED',
        systemCode: 'EIO',
        message: expect.stringContaining('resume the run'),
      });

      // The cause is gone, and still nothing is acknowledged: to no run, and to no new one.
      for (const events of [book.slice(before + 1), other]) {
        const asked = events === other ? bystander : claim;
        for (const event of events)
          await expect(async () => asked.append(event)).rejects.toThrow('Cannot sync');
      }
      const late = await store.claim('late');
      await append(late, life('late', 1));
      await store.importRun(folded(life('put', 1)));
      await expect(async () => claim.append(book[before]!)).rejects.toThrow('closed');
      await store.close();

      for (const left of [files.afterKill(), files.afterPowerLoss('nothing survives')]) {
        const anew = storeOn(left);
        const again = await anew.claim('book');
        const seq = again.state?.seq ?? 0;
        expect(seq).toBeGreaterThanOrEqual(before);
        if (seq > 0) expect(throughJson(again.state)).toEqual(folded(book.slice(0, seq)));
        await append(again, book.slice(seq));
        await again.release(undefined);
        await anew.close();
        expect(throughJson(await storeOn(left).loadRun('book'))).toEqual(folded(book));
      }
    },
  );

  it('can be opened anew by the same process, also once it is closed', async () => {
    const files = new MemoryFiles();
    const store = storeOn(files);
    const claim = await store.claim('book');
    await append(claim, book.slice(0, 3));
    failOnce(files, 'sync');
    await expect(async () => claim.append(book[3]!)).rejects.toThrow('Cannot sync');
    await store.close().catch(() => undefined);

    const again = await store.claim('book');
    const seq = again.state?.seq ?? 0;
    expect(seq).toBeGreaterThanOrEqual(3);
    await append(again, book.slice(seq));
    await again.release(undefined);
    await store.close();
    expect(throughJson(await store.loadRun('book'))).toEqual(folded(book));
  });
});
