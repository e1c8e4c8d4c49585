import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { NEVER } from 'rxjs';

import { fromOffset, lowdbStore } from '../../index';
import { childProgram } from '../support/child';

describe('one name in two processes', () => {
  it('the second one is refused by name, and has it when the first is gone', async () => {
    const holder = childProgram(join(__dirname, 'children/streamHolder.ts'), { isWhole: true });
    const folder = mkdtempSync(join(tmpdir(), 'millrace-holder-'));
    const first = holder.start(folder);
    await new Promise<void>((resolve) =>
      first.stdout?.on('data', (text: Buffer) => String(text).includes('holds') && resolve()),
    );
    const refused = (patienceMs: number): Promise<unknown> =>
      new Promise((resolve) => {
        const store = lowdbStore(folder);
        const subscription = fromOffset(() => NEVER, { name: 'orders', store }).subscribe({
          error: (error: unknown) => {
            void store.close().then(() => {
              resolve(error);
            });
          },
        });
        // A claim that is not refused stays silent.
        setTimeout(() => {
          subscription.unsubscribe();
          void store.close().then(() => {
            resolve(undefined);
          });
        }, patienceMs);
      });

    const error = (await refused(15_000)) as Error;
    expect(error.name).toBe('StoreLockedError');
    expect(error.message).toContain(String(first.pid));
    expect(error.message).toContain(`stream "orders" in store "${folder}"`);

    first.kill('SIGKILL');
    await new Promise((resolve) => first.once('close', resolve));
    expect(await refused(1_500)).toBeUndefined();
    holder.remove();
    rmSync(folder, { recursive: true, force: true });
  });
});
