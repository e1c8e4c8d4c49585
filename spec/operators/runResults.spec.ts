import { setTimeout as wait } from 'node:timers/promises';

import { isRight } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import { from, lastValueFrom, map, toArray } from 'rxjs';

import { agent, chain, execute, memoryStore, quorum, run, settled, workflow } from '../../index';
import type { Wire } from '../../index';
import { DateText } from '../support/dateText';
import { collect } from '../support/told';

describe('what a run gives', () => {
  it('a step that could not run because another had failed runs when that one is tried again', async () => {
    let a = 0;
    let c = 0;
    const inner = workflow('inner', (input: Wire<number>, step) => {
      const one = step(
        'a',
        () => {
          if (++a === 1) throw new Error('a');
          return 'A';
        },
        input,
      );
      const two = step('b', (x) => `${x}B`, one);
      return step(
        'c',
        ([x]) => {
          if (++c === 1) throw new Error('c');
          return isRight(x) ? x.right : 'nothing';
        },
        settled([two]),
      );
    });
    const outer = workflow('outer', (input: Wire<number>, step) => step('inner', inner, input, { retry: 1 }));
    expect((await execute(outer, 1)).output).toBe('AB');
  });

  it('a completed run takes another definition with nothing to drop', async () => {
    const store = memoryStore();
    const define = (more: boolean) =>
      workflow('w', (input: Wire<number>, step) => {
        const a = step('a', (x) => `a${String(x)}`, input);
        return more ? step('b', (x) => `b${x}`, a) : a;
      });
    await execute(define(false), 1, { store, runId: 'r' });
    expect(await execute(define(true), 1, { store, runId: 'r', onMismatch: 'actual' })).toMatchObject({
      status: 'COMPLETED',
      output: 'ba1',
    });
    expect((await store.loadRun('r'))?.steps.get('b')).toMatchObject({ status: 'COMPLETED' });
  });

  it('a workflow that gives another step than before is another definition', async () => {
    const store = memoryStore();
    const define = (second: boolean) =>
      workflow('w', (input: Wire<number>, step) => {
        const a = step('a', (x) => x + 1, input);
        const b = step('b', (x) => x * 10, input);
        return second ? b : a;
      });
    await execute(define(false), 1, { store, runId: 'r' });
    expect(collect(run(define(true), 1, { store, runId: 'r' })).error).toMatchObject({
      name: 'DefinitionMismatchError',
      diff: { results: [''] },
    });
    const state = await execute(define(true), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect(state).toMatchObject({ status: 'COMPLETED', output: 10 });
    expect(state.steps.get('b')?.attempts).toBe(1);
  });

  it('a run that completed once and then failed has no output', async () => {
    const store = memoryStore();
    const work = agent('work', (x: number) => {
      if (x > 1) throw new Error('too much');
      return x;
    });
    await execute(work, 1, { store, runId: 'r' });
    expect(await execute(work, 2, { store, runId: 'r', onMismatch: 'actual' })).not.toHaveProperty('output');
  });

  it('a quorum is made of the same members after a resume', async () => {
    const store = memoryStore();
    const seen: unknown[] = [];
    let isDown = true;
    const w = workflow('w', (input: Wire<number>, step) => {
      const slow = step(
        'slow',
        async () => {
          await wait(20);
          return 'slow';
        },
        input,
      );
      const fast = step('fast', () => 'fast', input);
      const both = step(
        'both',
        async ([one]) => {
          seen.push(one);
          await wait(40);
          if (isDown) throw new Error('down');
          return one;
        },
        quorum(1, [slow, fast]),
      );
      return { both, slow };
    });
    await execute(w, 1, { store, runId: 'r' });
    isDown = false;
    await execute(w, 1, { store, runId: 'r' });
    expect(seen).toEqual(['fast', 'fast']);
  });

  it('the input codec of a workflow is applied where it is run itself', async () => {
    const w = workflow('w', (input: Wire<number>, step) => step('a', (x) => x, input), { input: t.number });
    expect(await execute(w, 'text' as never)).toMatchObject({
      status: 'FAILED',
      error: { name: 'ValidationError' },
    });
  });

  it('a workflow whose result is the output of a step keeps it in the form of that step', async () => {
    const now = agent('now', () => new Date(5), { output: DateText });
    const w = workflow('w', (input: Wire<unknown>, step) => step('now', now, input));
    const store = memoryStore();
    expect((await execute(w, 1, { store, runId: 'r' })).output).toEqual(new Date(5));
    expect((await execute(w, 1, { store, runId: 'r' })).output).toEqual(new Date(5));
  });

  it('an agent whose name ends in a number does not get the path of another link', async () => {
    const op = agent('op', (x: number) => x + 1);
    const { output, steps } = await execute(
      chain(
        'c',
        op,
        op,
        map((x: number) => x),
        op,
      ),
      0,
    );
    expect(output).toBe(3);
    expect(new Set([...steps].map(({ stepId }) => stepId)).size).toBe(4);
  });

  it('the idempotency key differs for each input of a plain pipe', async () => {
    const pay = agent('pay', (_: string, { idempotencyKey }) => idempotencyKey);
    const keys = await lastValueFrom(from(['order 1', 'order 2']).pipe(pay, toArray()));
    expect(new Set(keys).size).toBe(2);
  });
});
