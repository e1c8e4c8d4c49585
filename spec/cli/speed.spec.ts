import { join } from 'node:path';
import { performance } from 'node:perf_hooks';

import { from, lastValueFrom } from 'rxjs';

import { agent, lowdbStore, runEach } from '../../index';
import { SLACK } from '../support/slack';
import { millrace, project } from './support/typed';

/** What is promised on a machine of one's own; others may be at work on this one. */
const BUSY = 4 * SLACK;

describe('the time that a command takes', () => {
  const { folder: cwd, remove } = project();
  const quickest = (args: readonly string[]): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const begun = performance.now();
        expect(millrace(args, { cwd }).exit).toBe(0);
        return performance.now() - begun;
      }),
    );

  beforeAll(async () => {
    const store = lowdbStore(join(cwd, 'state'), { durability: 'process' });
    const inputs = Array.from({ length: 10_000 }, (_, index) => index);
    await lastValueFrom(
      from(inputs).pipe(
        runEach(
          agent('same', (n: number) => n),
          { store, concurrency: 32 },
        ),
      ),
    );
    await store.close();
  }, 300_000);
  afterAll(remove);

  it('is below 150 ms for --help', () => {
    expect(quickest(['--help'])).toBeLessThan(150 * BUSY);
  });

  it('is below 300 ms for a list of 10,000 runs', () => {
    expect(quickest(['list'])).toBeLessThan(300 * BUSY);
  });
});
