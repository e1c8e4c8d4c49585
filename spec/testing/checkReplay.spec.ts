import * as t from 'io-ts';
import { from } from 'rxjs';

import type { Wire } from '../../index';
import { agent, approval, branch, chain, each, execute, fork, pick, workflow } from '../../index';
import { checkReplay } from '../../testing';
import { everyStore } from '../support/everyStore';

const calls: string[] = [];
const work = (name: string, version = 1) =>
  agent(
    name,
    (text: string) => {
      calls.push(name);
      return `${text}${name}`;
    },
    { version },
  );
const failing = agent('failing', (_: string): string => {
  throw new Error('no');
});

describe.each(everyStore)('checkReplay(), %s', (_, open) => {
  it('says nothing of runs that the code at hand goes on with, and calls and writes nothing', async () => {
    const store = open();
    const flow = chain(
      'flow',
      work('a'),
      each('all', work('b')) as never,
      approval('ask', t.string),
      work('c'),
    );
    const whole = workflow('whole', (input: Wire<string>, step) => ({
      a: step('a', work('a'), input),
      all: step(
        'all',
        each('all', work('b')),
        step('words', (text: string) => text.split(' '), input),
      ),
      branch: step(
        'branch',
        branch('choose', (text: string) => (text === '' ? 'x' : 'y'), { x: work('x'), y: work('y') }),
        input,
      ),
    }));
    const broken = chain('broken', work('a'), failing, work('c'));
    await execute(whole, 'a b', { store, runId: 'whole' });
    await execute(broken, 'a', { store, runId: 'broken' });
    await execute(chain('asks', work('a'), approval('ask', t.string), work('c')), 'a', {
      store,
      runId: 'asks',
    });
    await fork('whole', { store, runId: 'forked', from: 'all[0]/b' });
    const before = await store.listRuns();
    calls.length = 0;

    expect(await checkReplay(whole, { store })).toEqual({
      checked: expect.arrayContaining(['whole', 'forked']) as never,
      differences: [],
      unchecked: [],
    });
    expect(await checkReplay(broken, { store })).toEqual({
      checked: ['broken'],
      differences: [],
      unchecked: [],
    });
    expect(
      await checkReplay(chain('asks', work('a'), approval('ask', t.string), work('c')), { store }),
    ).toEqual({ checked: ['asks'], differences: [], unchecked: [] });
    expect(await checkReplay(flow, { store })).toEqual({ checked: [], differences: [], unchecked: [] });
    expect(calls).toEqual([]);
    expect(await store.listRuns()).toEqual(before);
  });

  it('names what it cannot see: steps that a function has asked for, and runs that were given a stream', async () => {
    const store = open();
    const asks = agent('asks', (text: string, context) => context.call('inner', work('a'), text));
    const flow = chain('flow', asks, approval('ask', t.string));
    await execute(flow, 'x', { store, runId: 'asked' });
    const all = chain(
      'all',
      agent('join', (words: AsyncIterable<string>) => words),
      failing,
    );
    await execute(all, from(['a', 'b']) as never, { store, runId: 'streamed' });

    const { differences, unchecked } = await checkReplay(flow, { store });
    expect(differences).toEqual([]);
    expect(unchecked.map(({ runId, path }) => [runId, path])).toEqual([['asked', 'asks/inner']]);
    expect(await checkReplay(all, { store })).toEqual({
      checked: ['streamed'],
      differences: [],
      unchecked: [{ runId: 'streamed', path: '', why: 'whoever resumes it gives it its stream anew' }],
    });
  });

  it('names the step of a changed definition', async () => {
    const store = open();
    await execute(chain('flow', work('a'), approval('ask', t.string), work('c')), 'a', { store, runId: 'r' });

    const { differences } = await checkReplay(
      chain('flow', work('a', 2), approval('ask', t.string), work('d')),
      { store },
    );

    expect(differences.map(({ runId, path, what }) => [runId, path, what])).toEqual([
      ['r', 'd', 'the step is new'],
      ['r', 'c', 'the step is gone'],
      ['r', 'a', 'the step has another agent, version or source'],
    ]);
    expect(differences[0]?.next).toContain(
      "resume refuses it; with onMismatch: 'actual' the saved results of",
    );
  });

  it('names what codecs cannot read any more', async () => {
    const store = open();
    await execute(chain('flow', work('a'), failing), 'a', { store, runId: 'r' });
    const strict = agent('a', (text: string) => text as never, { version: 1, output: t.number as never });

    const { differences } = await checkReplay(chain('flow', strict, failing), { store });

    expect(differences).toEqual([
      expect.objectContaining({
        path: 'a',
        what: expect.stringContaining('its saved output cannot be read any more') as string,
      }),
    ]);
  });

  it('names what pure functions of the definition would make of the record, in runs that failed and that completed', async () => {
    const store = open();
    const item = agent('item', (word: string) => {
      if (word === 'c') throw new Error('no');
      return word;
    });
    const made = (split: (text: string) => readonly string[], result: (all: readonly string[]) => string) =>
      workflow('flow', (input: Wire<string>, step) =>
        pick(step('all', each('all', item), pick(input, split)), result),
      );
    const before = made(
      (text) => text.split(' '),
      (all) => all.join(),
    );
    await execute(before, 'a b c', { store, runId: 'failed' });
    await execute(before, 'a b', { store, runId: 'completed' });
    expect((await checkReplay(before, { store })).differences).toEqual([]);

    const after = made(
      (text) => [text],
      (all) => all.join('-'),
    );
    const { differences } = await checkReplay(after, { store });

    expect(differences.map(({ runId, path, what }) => [runId, path, what]).sort()).toEqual([
      ['completed', '', 'the run would give something else'],
      ['failed', 'all[1]/item', 'the step is on record as completed and would not be asked for'],
    ]);
  });
});
