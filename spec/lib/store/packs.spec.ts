import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom, map, toArray } from 'rxjs';

import type { Store } from '../../../index';
import { agent, chain, execute, fork, lowdbStore, resume } from '../../../index';
import { exportRun } from '../../../lib/store/runArchive';
import { examine } from '../../../lib/store/salvage/examine';
import { salvage } from '../../../lib/store/salvage/salvage';
import { everyNth, seedOr, tally } from '../../support/torture';
import { until } from '../../support/until';
import { Ended, storeOn } from './support/crash';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const job = (version: number) =>
  chain(
    'job',
    agent('mark', (n: number) => `mark ${String(n)} by ${String(version)}`, { version }),
  );
const numbers = Array.from({ length: 8 }, (_, n) => n);
const idOf = (n: number): string => `run-${String(n)}`;

/** Eight runs that end together, and so are packed. */
const runAll = (store: Store): Promise<unknown> =>
  Promise.all(numbers.map((n) => execute(job(1), n, { store, runId: idOf(n) })));
/** What is written in the background is written. */
const settled = (store: Store): Promise<unknown> => store.deleteRun('nothing');

describe('small runs that complete together', () => {
  let folder: string;
  let store: Store;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-packs-'));
    store = lowdbStore(folder, { durability: 'process' });
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const files = (): readonly string[] => readdirSync(join(folder, 'runs')).sort();
  const packs = (): readonly string[] => files().filter((name) => name.startsWith('pack.'));
  const text = (name: string): string => readFileSync(join(folder, 'runs', name), 'utf8');

  it('share a file that one can read in an editor', async () => {
    await runAll(store);
    await settled(store);

    expect(packs()).toHaveLength(1);
    expect(files().length).toBeLessThan(numbers.length);
    const { kind, runs } = JSON.parse(text(packs()[0]!)) as {
      readonly kind: string;
      readonly runs: Record<string, { readonly state: object; readonly events: object }>;
    };
    expect(kind).toBe('pack');
    expect(Object.values(runs)[0]).toMatchObject({
      state: { status: 'COMPLETED', name: 'job' },
      events: {
        packed: [{ plain: expect.arrayContaining([expect.objectContaining({ type: 'run.started' })]) }],
      },
    });
  });

  it('leave alone what has failed or is large: those have files of their own', async () => {
    const odd = agent('odd', (n: number) => {
      if (n === 1) throw new Error('odd');
      return 'x'.repeat(n === 2 ? 40_000 : 4);
    });
    await Promise.all(numbers.map((n) => execute(chain('job', odd), n, { store, runId: idOf(n) })));
    await settled(store);

    expect(files()).toEqual(expect.arrayContaining(['run-1.json', 'run-2.json']));
    expect(packs()).toHaveLength(1);
  });

  it.each(['the same process', 'another process', 'who opens it next'])(
    'are read, listed, told and exported as others are by %s',
    async (who) => {
      await runAll(store);
      await settled(store);
      if (who === 'who opens it next') await store.close();
      const reader = who === 'the same process' ? store : lowdbStore(folder);
      const events = await lastValueFrom(
        reader.events('run-5').pipe(
          map(({ event }) => event.type),
          toArray(),
        ),
      );

      expect(await reader.loadRun('run-5')).toMatchObject({ status: 'COMPLETED', output: 'mark 5 by 1' });
      expect((await reader.listRuns()).map(({ runId }) => runId).sort()).toEqual(numbers.map(idOf));
      expect(events).toEqual(['run.started', 'step.started', 'step.completed', 'run.completed']);
      expect((await exportRun('run-5', { store: reader })).length).toBeGreaterThan(100);
      expect((await examine(folder)).damage).toEqual([]);
      await reader.close();
    },
  );

  it('go on in files of their own, and leave nothing behind', async () => {
    await runAll(store);
    await settled(store);
    await lastValueFrom(resume(job(2), 'run-3', { store, onMismatch: 'actual' }));
    const copy = await fork('run-4', { store, from: 'mark' });
    await settled(store);

    expect(text('run-3.json')).toContain('mark 3 by 2');
    expect(text(packs()[0]!)).not.toContain('"run-3"');
    expect(await store.loadRun(copy)).toMatchObject({ forkedFrom: { runId: 'run-4' } });
    await store.close();
    store = lowdbStore(folder);
    expect(await store.loadRun('run-3')).toMatchObject({ output: 'mark 3 by 2' });
    expect(await store.loadRun('run-4')).toMatchObject({ output: 'mark 4 by 1' });
  });

  it('are forgotten one by one: nothing of them stays in any file', async () => {
    await runAll(store);
    await settled(store);
    expect(await store.deleteRun('run-3')).toBe(true);
    expect(await store.loadRun('run-3')).toBeUndefined();
    expect(files().map(text).join()).not.toContain('mark 3');
    expect(await store.loadRun('run-6')).toMatchObject({ output: 'mark 6 by 1' });

    await store.prune({});
    expect(files()).toEqual([]);
    await store.close();
    store = lowdbStore(folder);
    expect(await store.listRuns()).toEqual([]);
  });

  it('whose process died before the list of runs named their pack are kept by the journal', async () => {
    const memory = new MemoryFiles();
    const first = storeOn(memory, 'process', 1 << 20);
    await runAll(first);
    await settled(first);
    const left = memory.afterKill();
    expect([...left.all().keys()].filter((path) => path.includes('/pack.'))).not.toEqual([]);
    const next = storeOn(left, 'process', 1 << 20);
    expect(await next.loadRun('run-2')).toMatchObject({ output: 'mark 2 by 1' });
    await next.deleteRun('run-2');
    await next.close();

    const content = [...left.all()]
      .filter(([path]) => path.startsWith('/state/runs/'))
      .map(([, bytes]) => String(bytes));
    expect(content.join()).not.toContain('mark 2');
    expect(content.join()).toContain('mark 1');
  });

  it('are named when their pack is damaged, and salvaged where others are intact', async () => {
    await runAll(store);
    await settled(store);
    await runOthers(store);
    await store.close();
    const [first = '', second = ''] = packs();
    writeFileSync(join(folder, 'runs', first), text(first).replace('mark 1', 'mork 1'));
    store = lowdbStore(folder);

    await expect(store.loadRun('run-1')).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      file: join(folder, 'runs', first),
    });
    expect(await store.loadRun('other-1')).toMatchObject({ output: 'mark 1 by 1' });
    expect(second).not.toBe('');
    await store.close();
    const to = `${folder}-saved`;
    const lost = await salvage(folder, to);
    expect(lost.map(({ file }) => file)).toContain(join(folder, 'runs', first));
    const saved = lowdbStore(to);
    expect((await saved.listRuns()).map(({ runId }) => runId)).toEqual(
      expect.arrayContaining(['other-0', 'other-1']),
    );
    await saved.close();
    rmSync(to, { recursive: true });
    // What is damaged can be forgotten all the same.
    store = lowdbStore(folder);
    await store.prune({});
    expect(packs()).toEqual([]);
  });

  it('do not keep the journal from being shortened when one is damaged that something has to go from', async () => {
    await runAll(store);
    await settled(store);
    await store.close();
    const [pack = ''] = packs();
    writeFileSync(join(folder, 'runs', pack), text(pack).replace('mark 1', 'mork 1'));
    store = lowdbStore(folder, { durability: 'process', rotateBytes: 2_000 });
    await expect(store.deleteRun('run-2')).rejects.toMatchObject({ code: 'STORE_CORRUPT' });

    const journal = (): readonly string[] => readdirSync(join(folder, 'journal')).sort();
    const [first = ''] = journal();
    const later = Array.from({ length: 20 }, (_, n) => `later-${String(n)}`);
    for (const runId of later) await execute(job(1), 1, { store, runId });

    await until(() => journal().length < 4 && !journal().includes(first));
    expect(packs()).toContain(pack);
    expect(await store.loadRun('later-7')).toMatchObject({ output: 'mark 1 by 1' });
  });

  const runOthers = (to: Store): Promise<unknown> =>
    Promise.all(numbers.map((n) => execute(job(1), n, { store: to, runId: `other-${String(n)}` }))).then(() =>
      settled(to),
    );

  it('never take a name that somebody else has given to a file', async () => {
    await store.deleteRun('nothing');
    writeFileSync(join(folder, 'runs', 'pack.00000007.json'), 'a list of friends');
    await runAll(store);
    await settled(store);
    await store.prune({});
    await store.close();
    store = lowdbStore(folder);
    await runAll(store);
    await store.close();

    expect(text('pack.00000007.json')).toBe('a list of friends');
    expect(packs()).toHaveLength(2);
  });
});

describe('runs in packs, whenever the process ends', () => {
  /** What was acknowledged: how a run was last told to have ended, or that it is gone. */
  type Told = Map<string, string | undefined>;

  async function work(files: MemoryFiles, durability: 'disk' | 'process'): Promise<Told> {
    const told: Told = new Map();
    const store = storeOn(files, durability, 6_000);
    const doing = async (): Promise<void> => {
      await Promise.all(
        numbers.map(async (n) => {
          const { status, output } = await execute(job(1), n, { store, runId: idOf(n) });
          if (status === 'COMPLETED') told.set(idOf(n), output);
        }),
      );
      for (const n of [0, 1]) if (await store.deleteRun(idOf(n))) told.set(idOf(n), undefined);
      for (const n of [2, 3]) {
        const { output } = await execute(job(2), n, { store, runId: idOf(n), onMismatch: 'actual' });
        told.set(idOf(n), output);
      }
      await store.deleteRun(idOf(2));
      told.set(idOf(2), undefined);
    };
    await doing().catch(() => undefined);
    await store.close().catch(() => undefined);
    return told;
  }

  /** How else a run may stand for whom the process ended: what was under way may have come further. */
  function mayBe(n: number, output: string | undefined): readonly (string | undefined)[] {
    if (output === undefined) return ['gone'];
    if (output.endsWith('by 2')) return n === 2 ? [output, 'gone'] : [output];
    return n < 2
      ? [output, 'gone']
      : n < 4
        ? [output, undefined, `mark ${String(n)} by 2`, 'gone']
        : [output];
  }

  /** Nothing acknowledged is lost, and nothing of what was forgotten is left once the folder was open. */
  async function check(files: MemoryFiles, told: Told): Promise<void> {
    const store = storeOn(files);
    for (const [runId, output] of told) {
      const state = await store.loadRun(runId);
      const left = state === undefined ? 'gone' : state.output;
      expect([runId, mayBe(Number(runId.slice(-1)), output)]).toEqual([
        runId,
        expect.arrayContaining([left]),
      ]);
    }
    await store.deleteRun('nothing');
    await store.close();
    const runs = [...files.all()].filter(([path]) => path.startsWith('/state/runs/'));
    for (const [runId, output] of told) {
      if (output !== undefined) continue;
      for (const [, bytes] of runs) expect(String(bytes)).not.toContain(`mark ${runId.slice(-1)} by`);
    }
  }

  it.each(['disk', 'process'] as const)('lose nothing with durability %s', async (durability) => {
    const every = everyNth(3, 3);
    const whole = new MemoryFiles();
    await work(whole, durability);
    expect([...whole.all().keys()].some((path) => path.includes('/pack.'))).toBe(true);
    const draw = random(seedOr(5));
    for (let at = 1; at <= whole.calls; at += every) {
      const files = new MemoryFiles();
      files.fate = ({ number }) =>
        number < at ? undefined : { error: new Ended('the process has ended'), isHalfDone: number === at };
      const told = await work(files, durability);
      files.fate = () => undefined;
      if (durability === 'disk') await check(files.afterPowerLoss(draw), told);
      await check(files.afterKill(), told);
      tally('kills of runs in packs', 1);
    }
  });
});
