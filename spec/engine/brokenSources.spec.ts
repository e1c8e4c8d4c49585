import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import type { Observable } from 'rxjs';
import { concat, of, throwError } from 'rxjs';

import type { Agent } from '../../index';
import { agent, approval, chain, pulled, runEach } from '../../index';
import { outcomesOf } from '../support/told';
import { describePlacements } from './support/placements';

const broken = new Error('no more');
const slow = agent('slow', async (n: number) => wait(50, n * 10));
const fails = agent('fails', (): never => {
  throw new Error('down');
});
const asks = chain(
  'asks',
  agent('a', (n: number) => n),
  approval('ok', t.string),
);

describePlacements(
  'a source that breaks on Restate',
  [slow, fails, asks] as readonly Agent<never, unknown>[],
  (options) => {
    const sources: Readonly<Record<string, () => Observable<number>>> = {
      'at once': () =>
        concat(
          of(1, 2),
          throwError(() => broken),
        ),
      'as an iterable': () =>
        pulled(
          (function* () {
            yield 1;
            yield 2;
            throw broken;
          })(),
        ),
    };

    it.each(Object.keys(sources))(
      'errors with its own error, after the outcome of each run: %s',
      async (how) => {
        const source = (sources[how] as () => Observable<number>)();
        const [told, end] = await outcomesOf(source.pipe(runEach(slow, { engine: options.engine })));

        expect([told.sort(), end]).toEqual([[10, 20], broken]);
      },
    );

    it.each([
      ['rests', asks, 0, 'SUSPENDED'],
      ['fails', fails, 0, 'FAILED'],
      ['is tried again', fails, 1, 'FAILED'],
    ] as const)('is not told as the failure of a run that %s', async (_, self, retry, status) => {
      const source = concat(
        of(1),
        throwError(() => broken),
      );
      const ended = await outcomesOf(source.pipe(runEach(self as never, { engine: options.engine, retry })));

      expect(ended).toEqual([[status], broken]);
    });
  },
);
