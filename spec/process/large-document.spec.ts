import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { agent, chain, execute, lowdbStore } from '../../index';
import { childProgram } from '../support/child';
import { isLong } from '../support/torture';

interface Carried {
  readonly n: number;
  readonly doc: string;
}

/** The full size, with which a file once had more bytes than any process can read, takes some 20 s. */
const [steps, bytes] = isLong ? [272, 15_900_000] : [40, 500_000];

describe('a document that many steps pass on', () => {
  it('stands in the file of the run about once, and a new process reads it back', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
    const doc = 'x'.repeat(bytes);
    const load = agent('load', (): Carried => ({ n: 0, doc }));
    const passOn = Array.from({ length: steps - 1 }, (_, i) =>
      agent(`s${String(i)}`, (x: Carried): Carried => ({ ...x, n: x.n + 1 })),
    );
    const store = lowdbStore(folder);
    await execute(chain('line', load, ...(passOn as [(typeof passOn)[0]])), 0, { store, runId: 'r' });
    const sizeIn = (place: string): number =>
      readdirSync(join(folder, place)).reduce(
        (sum, name) => sum + statSync(join(folder, place, name)).size,
        0,
      );
    // With a document larger than a file of the journal, the first one may be gone by now.
    const journal = Math.max(sizeIn('journal'), bytes);
    await store.close();
    const file = sizeIn('runs');
    const program = childProgram(join(__dirname, 'children/reading.ts'), { isWhole: true });
    const { stdout } = await program.run(folder, 'r');
    program.remove();
    rmSync(folder, { recursive: true });

    expect(file).toBeLessThan(3 * journal);
    expect(JSON.parse(stdout)).toEqual(['COMPLETED', steps, steps - 1, bytes]);
  }, 600_000);
});
