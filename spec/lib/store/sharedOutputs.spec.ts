import type * as Fs from 'node:fs';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import { isRight } from 'fp-ts/lib/Either';

import { agent, chain, each, execute, lowdbStore } from '../../../index';
import { RunState } from '../../../lib/codec/stateCodec';
import { idleState } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';
import { decodeShared, sharedStateText } from '../../../lib/store/folder/records/sharedOutputs';
import { stateText } from '../../../lib/store/snapshotText';
import { throughJson } from './support/life';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const sizeOf = (name: string): number => statSync(join(folder, name)).size;
const journalSize = (): number =>
  readdirSync(join(folder, 'journal')).reduce((sum, name) => sum + sizeOf(join('journal', name)), 0);

/** A chain whose steps pass one large document on with a small change. */
const passing = (steps: number, text: string) =>
  chain(
    'passing',
    agent('load', () => ({ n: 0, text, list: Array.from({ length: 200 }, (_, i) => ({ i })) })),
    ...(Array.from({ length: steps }, (_, i) =>
      agent(`s${i}`, (doc: { readonly n: number }) => ({ ...doc, n: doc.n + 1 })),
    ) as []),
  );

describe('a run file whose outputs have much in common', () => {
  it('says what they share once, like the journal, and another process reads the same state', async () => {
    const store = lowdbStore(folder);
    const state = await execute(passing(60, 'x'.repeat(400_000)), 0, { store, runId: 'r' });
    const journal = journalSize();
    await store.close();

    expect(sizeOf('runs/r.json')).toBeLessThan(3 * Math.max(journal, 400_000));
    expect(readdirSync(join(folder, 'journal'))).toEqual([]);
    expect(throughJson(await lowdbStore(folder).loadRun('r'))).toEqual(throughJson(state));
    // Still a JSON file that one can open.
    const file = JSON.parse(readFileSync(join(folder, 'runs/r.json'), 'utf8'));
    expect(file).toMatchObject({ format: 4, kind: 'run', state: { runId: 'r', status: 'COMPLETED' } });
    expect(file.state.steps[1].change).toEqual({
      base: { path: 'load', seq: 0 },
      patches: [{ op: 'replace', path: ['n'], value: 1 }],
    });
  });

  it('is as whole as before for any outputs', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    const large = fc.record({ text: fc.string({ minLength: 700, maxLength: 800 }), more: value });
    fc.assert(
      fc.property(fc.array(fc.oneof(value, large), { maxLength: 12 }), large, (outputs, input) => {
        const rows = outputs.map((output, i): StepResult => ({
          stepId: `s${i}`,
          agent: 'a',
          status: 'COMPLETED',
          duration: 0,
          error: null,
          timestamp: null,
          attempts: 1,
          // Often the one before with a part changed.
          output:
            i % 2 === 1 && typeof outputs[i - 1] === 'object' && !Array.isArray(outputs[i - 1])
              ? { ...(outputs[i - 1] as object), n: i }
              : output,
        }));
        const state = {
          ...idleState('r', 'job', []),
          input,
          output: rows.at(-1)?.output ?? input,
          steps: StepTable.of(rows),
        };
        const read = decodeShared(JSON.parse([...sharedStateText(state)].join('')));
        const whole = RunState.decode(JSON.parse([...stateText(state)].join('')));
        // What no run may hold, such as a property named __proto__, is refused either way.
        expect(read._tag).toBe(whole._tag);
        if (isRight(read) && isRight(whole))
          expect(throughJson(read.right)).toEqual(throughJson(whole.right));
      }),
    );
  });

  it.each([
    ['names a step that is not there', { base: { path: 'nobody', seq: 0 }, patches: [] }],
    [
      'names a place that is not there',
      { base: { path: 'load', seq: 0 }, patches: [{ op: 'remove', path: ['no'] }] },
    ],
    ['is none', { base: 1 }],
    [
      'sets a prototype',
      { base: { path: 'load', seq: 0 }, patches: [{ op: 'add', path: ['__proto__'], value: {} }] },
    ],
  ])('is refused by name when a change in it %s', async (_, change) => {
    const store = lowdbStore(folder);
    await execute(passing(2, 'x'.repeat(1_000)), 0, { store, runId: 'r' });
    await store.close();
    const path = join(folder, 'runs/r.json');
    const file = JSON.parse(readFileSync(path, 'utf8'));
    file.state.steps[1].change = change;
    const { crc32: _crc, ...fields } = file;
    const body = `{\n${Object.entries(fields)
      .map(([name, each]) => `${JSON.stringify(name)}: ${JSON.stringify(each)}`)
      .join(',\n')}`;
    writeFileSync(path, `${body},\n"crc32": "${crc32(body).toString(16).padStart(8, '0')}"\n}\n`);

    await expect(lowdbStore(folder).loadRun('r')).rejects.toThrow(`Cannot trust "${path}"`);
  });
});

describe('a run that is under way for long', () => {
  it('has its file written so seldom that all that is written grows with its length', async () => {
    const written = async (steps: number): Promise<number> => {
      const place = join(folder, String(steps));
      const store = lowdbStore(place, { durability: 'process', rotateBytes: 20_000 });
      const item = agent('item', async (n: number) => {
        if (n % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
        return n;
      });
      let bytes = 0;
      const fs = jest.requireActual<typeof Fs>('node:fs');
      const write = fs.writeSync.bind(fs) as (...args: unknown[]) => number;
      const spy = jest.spyOn(fs, 'writeSync').mockImplementation((...args: unknown[]) => {
        const count = write(...args);
        bytes += count;
        return count;
      });
      await execute(
        each('items', item),
        Array.from({ length: steps }, (_, i) => i),
        { store, runId: 'r' },
      );
      await store.close();
      spy.mockRestore();
      expect(existsSync(join(place, 'runs/r.json'))).toBe(true);
      return bytes / sizeOf(join(String(steps), 'runs/r.json'));
    };
    // Written each time a file of the journal is full, it would be some thirty times what it is in the end.
    for (const steps of [1_000, 4_000]) expect(await written(steps)).toBeLessThan(6);
  }, 300_000);
});
