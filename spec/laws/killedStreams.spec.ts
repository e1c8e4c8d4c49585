import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { lowdbStore, memoryStore } from '../../index';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';
import { amount, seedOr, tally } from '../support/torture';
import { keptIn, live, nothingSeen } from './support/streamLaw';
import { streamOf } from './support/streamLife';
import type { Shape } from './support/streamShapes';
import { arbitraryStream } from './support/streamShapes';

/** Each costs some processes: a few in `npm test`, more in the laws, many in the long form. */
const CASES = amount(Math.ceil(Number(process.env['LAW_CASES'] ?? 50) / 25), 400);

interface Case {
  readonly shape: Shape;
  readonly durability: 'disk' | 'process';
  readonly shares: readonly number[];
}

const cases: fc.Arbitrary<Case> = fc.record({
  shape: arbitraryStream,
  durability: fc.constantFrom('disk', 'process'),
  shares: fc.array(fc.double({ min: 0, max: 0.6, noNaN: true }), { minLength: 1, maxLength: 3 }),
});

describe('the law of streams that remember, in processes that are killed with SIGKILL (P28)', () => {
  let program: ChildProgram;
  beforeAll(() => {
    program = childProgram(join(__dirname, 'children/killedStream.ts'), { isWhole: true });
  });
  afterAll(() => {
    program.remove();
  });

  async function holds({ shape, durability, shares }: Case): Promise<number> {
    const whole = nothingSeen();
    const store = memoryStore();
    await live({ memoryStore, streamOf }, shape, store, whole);
    const folder = mkdtempSync(join(tmpdir(), 'millrace-killed-'));
    try {
      const file = join(folder, 'shape');
      writeFileSync(file, JSON.stringify({ shape, durability }));
      let kills = 0;
      for (const killAt of [...shares.map((share) => Math.floor(share * whole.beats)), Infinity]) {
        const { code, signal, stderr } = await program.run(folder, file, String(killAt));
        expect([stderr, signal ?? code]).toEqual(['', signal === null ? 0 : 'SIGKILL']);
        if (signal !== null) kills += 1;
      }
      const seen = readSeen(join(folder, 'seen'));
      expect(seen.faults).toEqual([]);
      expect(new Map([...seen.windows].sort())).toEqual(new Map([...whole.windows].sort()));
      expect(new Map([...seen.runs].sort())).toEqual(new Map([...whole.runs].sort()));
      expect(seen.out).toEqual(new Set(whole.out.map((item) => JSON.stringify(item))));
      const left = lowdbStore(join(folder, 'state'));
      expect(await keptIn(left)).toEqual(await keptIn(store));
      await left.close();
      return kills;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  it(
    'it holds for any composition',
    async () => {
      let kills = 0;
      const law = fc.asyncProperty(cases, async (one) => {
        kills += await holds(one);
      });
      await fc.assert(law, { numRuns: CASES, seed: seedOr(20_261_128), endOnFailure: true });
      tally('kills with SIGKILL', kills);
      expect(kills).toBeGreaterThan(0);
    },
    CASES * 60_000 + 120_000,
  );
});

/** What was seen over all lives; the last line may be torn. */
function readSeen(file: string) {
  const windows = new Map<string, string>();
  const runs = new Map<string, string>();
  const out = new Set<string>();
  const faults: string[] = [];
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  for (const line of lines) {
    const [kind, id = '', content = ''] = JSON.parse(line) as string[];
    if (kind === 'out') {
      out.add(id);
      continue;
    }
    const map = kind === 'window' ? windows : runs;
    const before = map.get(id);
    if (before !== undefined && before !== content) faults.push(`${id}: ${before} and then ${content}`);
    map.set(id, content);
  }
  return { windows, runs, out, faults };
}
