import { sharedSync } from '../../../lib/store/folder/checkpoint';

/** A sync that ends when told to. */
function syncs() {
  const begun: { end: () => void; fail: (error: Error) => void }[] = [];
  const sync = sharedSync(
    () =>
      new Promise<void>((resolve, reject) => {
        begun.push({ end: resolve, fail: reject });
      }),
  );
  return { begun, sync };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('sharedSync()', () => {
  it('begins at once, and lets all who come meanwhile share the next one', async () => {
    const { begun, sync } = syncs();
    const ended: number[] = [];
    for (let n = 0; n < 4; n += 1) void sync().then(() => ended.push(n));
    expect(begun).toHaveLength(1);

    begun[0]!.end();
    await turn();
    expect([begun.length, ended]).toEqual([2, [0]]);

    void sync().then(() => ended.push(4)); // The second one may have missed it.
    begun[1]!.end();
    await turn();
    expect([begun.length, ended]).toEqual([3, [0, 1, 2, 3]]);
    begun[2]!.end();
    await turn();
    expect(ended).toEqual([0, 1, 2, 3, 4]);
  });

  it('fails those who shared the sync that failed, and nobody after them', async () => {
    const { begun, sync } = syncs();
    const first = sync();
    const second = sync();
    begun[0]!.fail(new Error('EIO'));
    await expect(first).rejects.toThrow('EIO');
    expect(begun).toHaveLength(2);
    begun[1]!.end();
    await expect(second).resolves.toBeUndefined();
  });
});
