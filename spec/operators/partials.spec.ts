import { concat, concatMap, from, map, NEVER, of, throwError, timer, toArray } from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import { agent } from '../../operators/agents/agent';
import { workflow } from '../../operators/agents/workflow';
import { partials } from '../../operators/runs/partials';
import { run } from '../../operators/runs/run';
import { marbles } from '../support/marbles';

const spell = agent('spell', (word: string) =>
  from(word.split('')).pipe(concatMap((c) => timer(2).pipe(map(() => c)))),
);

describe('partials()', () => {
  it(
    'gives partial results while the step runs',
    marbles(({ scheduler, expectObservable }) => {
      const letters = run(spell, 'abc', { scheduler }).pipe(
        partials<string>(),
        map(({ value }) => value),
      );
      expectObservable(letters).toBe('--a-b-(c|)');
    }),
  );

  it(
    'gives those of the chosen steps only',
    marbles(({ scheduler, expectObservable }) => {
      const both = workflow('both', (word: Wire<string>, step) => ({
        one: step('one', spell, word),
        two: step('two', spell, word),
      }));
      const letters = map(({ value }: { readonly value: unknown }) => value);
      const started = () => run(both, 'ab', { scheduler });
      expectObservable(started().pipe(partials('two'), letters)).toBe('--a-(b|)');
      const notTwo = partials((path) => path !== 'two');
      expectObservable(started().pipe(notTwo, letters)).toBe('--a-(b|)');
      expectObservable(started().pipe(partials('nobody'))).toBe('----|');
    }),
  );

  it('tells the attempts of a retried step apart', (done) => {
    let calls = 0;
    const flaky = agent(
      'flaky',
      () => {
        calls += 1;
        return calls === 1
          ? concat(
              of('a'),
              throwError(() => new Error('torn')),
            )
          : of('a', 'b');
      },
      { retry: 1 },
    );
    run(flaky, undefined, { runId: 'r' })
      .pipe(partials(), toArray())
      .subscribe((all) => {
        expect(all).toEqual([
          { runId: 'r', path: 'flaky', attempt: 1, index: 0, value: 'a' },
          { runId: 'r', path: 'flaky', attempt: 2, index: 0, value: 'a' },
          { runId: 'r', path: 'flaky', attempt: 2, index: 1, value: 'b' },
        ]);
        done();
      });
  });

  it(
    'gives nothing for agents without partial results, and fails as the run fails',
    marbles(({ scheduler, expectObservable }) => {
      const plain = agent('plain', (n: number) => n + 1);
      const failing = agent('failing', (): number => {
        throw new Error('no');
      });
      expectObservable(run(plain, 1, { scheduler }).pipe(partials())).toBe('|');
      const failed = run(failing, undefined, { scheduler }).pipe(partials());
      expectObservable(failed.pipe(map(() => 'never'))).toBe('#', undefined, expect.objectContaining({}));
      const endless = agent('endless', () => concat(of(1), NEVER));
      expectObservable(
        run(endless, undefined, { scheduler }).pipe(
          partials(),
          map(() => 'p'),
        ),
        '^--!',
      ).toBe('p');
    }),
  );
});
