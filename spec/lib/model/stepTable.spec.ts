import { inspect } from 'node:util';

import fc from 'fast-check';
import { produce } from 'immer';

import type { StepResult } from '../../../lib/model/stepResult';
import { pendingStep } from '../../../lib/model/stepResult';
import { StepTable } from '../../../lib/model/stepTable';

describe('StepTable', () => {
  const row = (path: string, attempts = 0): StepResult => ({ ...pendingStep(path, 'agent'), attempts });
  const done = (path: string, attempts = 1): StepResult => ({
    ...row(path, attempts),
    status: 'COMPLETED',
    output: { path },
    duration: attempts / 8,
    timestamp: '2026-01-01T00:00:00.000Z',
    seq: 2 * attempts,
  });

  it('keeps the order of first mention and replaces rows with the same path', () => {
    const table = StepTable.of([row('a'), row('b'), row('a', 2)]);

    expect([...table].map(({ stepId, attempts }) => [stepId, attempts])).toEqual([
      ['a', 2],
      ['b', 0],
    ]);
    expect(table.size).toBe(2);
  });

  it('is an array in JSON, in which every row has an output', () => {
    expect(JSON.parse(JSON.stringify(StepTable.of([row('a')])))).toEqual([{ ...row('a'), output: null }]);
  });

  it('is printed as its rows by their paths, as deep as whoever prints it goes', () => {
    const steps = StepTable.of([row('a'), done('b')]);

    expect(inspect(steps)).toBe(
      inspect(
        new Map([
          ['a', row('a')],
          ['b', steps.get('b')],
        ]),
      ).replace(/^Map\(2\)/, 'StepTable(2) [Map]'),
    );
    const shown = (value: unknown): string => inspect(value, { breakLength: Infinity });
    expect(shown({ state: { steps } })).toBe(
      "{ state: { steps: StepTable(2) [Map] { 'a' => [Object], 'b' => [Object] } } }",
    );
    expect(shown([{ state: { steps } }])).toBe('[ { state: { steps: [StepTable] } } ]');
    expect(inspect([{ state: { steps } }], { depth: null })).toContain("stepId: 'a'");
  });

  it('has none of its rows read where it is only named', () => {
    const asked: string[] = [];
    const steps = StepTable.of([row('a')]).withRows((each) => {
      asked.push(each.stepId);
      return each;
    });
    inspect([{ state: { steps } }]);

    expect(asked).toEqual([]);
  });

  it('is equal to a table of equal rows, and the same in a draft', () => {
    const table = StepTable.of([row('a'), done('b')]);

    expect(table).toStrictEqual(StepTable.of([row('a'), done('b')]));
    expect(table).not.toEqual(StepTable.of([row('a'), done('c')]));
    expect(Reflect.ownKeys(table)).toEqual(['size']);
    const next = produce({ table, n: 1 }, (draft) => {
      draft.n += 1;
    });
    expect(next.table).toBe(table);
  });

  it('tells a path that was never mentioned from one that was', () => {
    const table = StepTable.of([row('a')]);

    expect(table.get('b')).toBeUndefined();
    expect(table.at(1)).toBeUndefined();
    expect(table.get('a')).toEqual(row('a'));
  });

  it('gives other rows when they are first read, of packed pages and of others', () => {
    const paths = Array.from({ length: 100 }, (_, n) => `s${String(n)}`);
    const table = StepTable.of(paths.map((path, n) => (n === 80 ? row(path) : done(path))));
    const asked: string[] = [];
    const more = (each: StepResult): StepResult => {
      asked.push(each.stepId);
      return { ...each, attempts: each.attempts + 1 };
    };
    const once = table.withRows(more);
    expect(asked).toEqual([]);
    expect(once.get('s7')?.attempts).toBe(2);
    expect(once.get('s7')).toBe(once.at(7));
    expect(asked).toEqual(['s7']);

    const twice = once.withRows(more);
    expect([...twice].map(({ attempts }) => attempts)).toEqual(paths.map((_, n) => (n === 80 ? 2 : 3)));
    const edit = once.edit();
    edit.draft('s3', row).attempts = 9;
    expect(edit.end().get('s3')?.attempts).toBe(9);
    expect([once.get('s3')?.attempts, table.get('s3')?.attempts]).toEqual([2, 1]);
  });

  it('behaves like a Map, in every version, whatever its sibling versions do', () => {
    const paths = Array.from({ length: 150 }, (_, index) => `s${String(index)}`);
    const change = fc.record({
      from: fc.nat(),
      touched: fc.array(fc.constantFrom(...paths), { maxLength: 80 }),
    });

    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        const versions = [{ table: StepTable.of(), model: new Map<string, StepResult>() }];
        changes.forEach(({ from, touched }, round) => {
          const base = versions[from % versions.length]!;
          const edit = base.table.edit();
          const model = new Map(base.model);
          for (const each of touched) {
            // Mostly completed, so that whole pages are.
            const changed = (each.length + round) % 9 === 0 ? row(each, round) : done(each, round);
            // Whoever adds a row may know that there is none: it is found all the same.
            if (!model.has(each) && round % 2 === 0) edit.expect(each, { position: -1 });
            if (each.length === 2) edit.get('s7');
            edit.set(changed);
            model.set(each, changed);
          }
          versions.push({ table: edit.end(), model });
        });

        for (const { table, model } of versions) {
          expect([...table]).toEqual([...model.values()]);
          expect(table.size).toBe(model.size);
          expect(paths.map((each) => table.get(each))).toEqual(paths.map((each) => model.get(each)));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('tells whoever adds a row where it stands, and finds it there without being asked to look', () => {
    const place = { position: -1 };
    const edit = StepTable.of([row('a'), row('b')]).edit();
    edit.expect('c', place);
    edit.draft('c', () => ({ ...row('c') })).attempts = 1;
    const table = edit.end();
    expect(place).toEqual({ position: 2 });

    const next = table.edit();
    next.expect('c', place);
    next.draft('c', () => ({ ...row('none') })).attempts = 2;
    next.expect('b', { position: 0 });
    next.draft('b', () => ({ ...row('none') })).attempts = 3;
    const later = next.end();
    expect([...later].map(({ stepId, attempts }) => [stepId, attempts])).toEqual([
      ['a', 0],
      ['b', 3],
      ['c', 2],
    ]);
    expect([table, later].map((each) => each.get('c')?.attempts)).toEqual([1, 2]);
    expect(StepTable.of([...later, row('d')]).get('d')).toEqual(row('d'));
  });

  it('shares all pages that a change does not touch', () => {
    const table = StepTable.of(Array.from({ length: 640 }, (_, index) => row(`s${String(index)}`)));
    const edit = table.edit();
    edit.set(row('s70', 1));
    const changed = edit.end();

    const shared = Array.from({ length: 640 }, (_, index) => table.at(index) === changed.at(index));
    expect(shared.filter((isSame) => !isSame)).toHaveLength(1);
    expect(table.get('s70')?.attempts).toBe(0);
  });

  it('gives completed rows as they were put in, and the same object each time', () => {
    const rows = Array.from({ length: 130 }, (_, index) => done(`s${String(index)}`, index + 1));
    const special: StepResult = { ...done('special'), partials: 3, kept: [1, 2, 3], inputHash: 'h' };
    const hashed: StepResult = { ...done('hashed'), inputHash: 'h' };
    const all = [hashed, ...rows.slice(0, 70), special, ...rows.slice(70)];
    const table = StepTable.of(all);

    expect(JSON.stringify(table)).toBe(JSON.stringify(all));
    expect([...table]).toEqual(all);
    expect(table.at(5)).toBe(table.get('s4'));
    expect(Object.isFrozen(table.at(5))).toBe(true);
    expect(table.get('special')).toEqual(special);
  });

  it('changes a completed row again, and nothing beside it', () => {
    const table = StepTable.of(Array.from({ length: 64 }, (_, index) => done(`s${String(index)}`)));
    const edit = table.edit();
    edit.draft('s3', (path) => row(path)).status = 'PENDING';
    const changed = edit.end();

    expect(changed.get('s3')).toEqual({ ...done('s3'), status: 'PENDING' });
    expect(changed.get('s4')).toEqual(done('s4'));
    expect(table.get('s3')).toEqual(done('s3'));
  });
});
