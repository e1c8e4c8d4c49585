import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom } from 'rxjs';

import { agent, chain, execute, lowdbStore, memoryStore, run } from '../../index';
import type { Store } from '../../index';

const plain = agent('plain', (x: number) => x + 1);

const failureOf = (store: Store, runId: string) =>
  lastValueFrom(run(plain, 1, { store, runId })).catch((error: unknown) => error);

describe('bad input', () => {
  let folder: string;
  beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'millrace-'))));
  afterEach(async () => rm(folder, { recursive: true }));

  it.each(['Disk', '', null, 7])('a durability that is none (%p) is refused', (durability) => {
    expect(() => lowdbStore(folder, { durability: durability as never })).toThrow(
      "give 'disk', 'process' or 'end'",
    );
  });

  describe.each<[string, () => Store]>([
    ['memory', memoryStore],
    ['disk', () => lowdbStore(join(folder, 'state'))],
  ])('with a store on %s', (_where, open) => {
    it.each([
      ['a Map', new Map([['a', 1]]), 'Map'],
      ['NaN', { deep: [1, NaN] }, '.deep[1]'],
      ['a function', { call: () => 1 }, '.call'],
      [
        'a cycle',
        (() => {
          const loop: Record<string, unknown> = {};
          loop['self'] = loop;
          return loop;
        })(),
        '.self',
      ],
      ['a Date', { when: new Date(0) }, '.when'],
      ['undefined in an array', [1, undefined], '[1]'],
    ])(
      'an output that JSON cannot keep (%s) fails its step by name, and nothing after it runs',
      async (_what, value, named) => {
        const store = open();
        const next = jest.fn();
        const state = await execute(
          chain(
            'c',
            agent('gives', () => value as unknown),
            agent('next', next),
          ),
          1,
          { store, runId: 'r' },
        );

        expect(state).toMatchObject({
          status: 'FAILED',
          error: { name: 'StateValueError', path: 'gives', retryable: false },
        });
        expect(state.error?.message).toContain('"gives"');
        expect(state.error?.message).toContain(named);
        expect(next).not.toHaveBeenCalled();
        await store.close();
      },
    );

    it('an input that JSON cannot keep is refused before anything runs or is written', async () => {
      const store = open();
      const called = jest.fn();
      const error = await lastValueFrom(run(agent('a', called), new Map(), { store, runId: 'r' })).catch(
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ name: 'StateValueError' });
      expect(called).not.toHaveBeenCalled();
      expect(await store.loadRun('r')).toBeUndefined();
      await store.close();
    });

    it.each([
      ['empty', ''],
      ['300 characters long', 'x'.repeat(300)],
    ])('a runId that is %s is refused by name', async (_what, runId) => {
      const store = open();
      const error = await failureOf(store, runId);
      expect(error).toMatchObject({ name: 'InvalidRunIdError' });
      await store.close();
    });

    it.each([
      '../x',
      '..',
      '/etc/passwd',
      'CON',
      '__proto__',
      'a'.repeat(150),
      '한'.repeat(60),
      'trailing.',
      'a\0b',
    ])('a hostile runId (%s) is kept like any other, inside the folder', async (runId) => {
      const store = open();
      await execute(plain, 1, { store, runId });
      expect(await store.loadRun(runId)).toMatchObject({ runId, output: 2 });
      await store.close();
      expect(await readdir(folder)).toEqual(_where === 'disk' ? ['state'] : []);
    });
  });

  it('a store folder that is a file is refused by name, with the path and the cause', async () => {
    await writeFile(join(folder, 'file'), 'precious');
    const error = await failureOf(lowdbStore(join(folder, 'file')), 'r');
    expect(error).toMatchObject({ name: 'StorageError' });
    expect((error as Error).message).toContain(join(folder, 'file'));
  });

  // Not below /proc: there Node's own recursive mkdir never comes back.
  it('a store folder that cannot be written to is refused by name', async () => {
    const error = await failureOf(lowdbStore('/sys/millrace'), 'r');
    expect(error).toMatchObject({ name: 'StorageError' });
    expect((error as Error).message).toContain('/sys/millrace');
  });
});
