import { lastValueFrom } from 'rxjs';

import { agent, chain, run, workflow } from '../../index';
import type { Wire } from '../../index';

describe('S39 error propagation', () => {
  it('keeps the original error as the cause, through chains and workflows', async () => {
    const original = new RangeError('the original');
    const breaks = agent('breaks', (_: number): number => {
      throw original;
    });
    const nested = workflow('nested', (input: Wire<number>, step) =>
      step('inner', chain('inner', breaks), input),
    );

    const error = await lastValueFrom(run(chain('outer', nested), 1)).catch((thrown: unknown) => thrown);

    expect(error).toMatchObject({
      name: 'RunError',
      failure: { path: 'nested/inner/breaks', name: 'RangeError' },
    });
    expect((error as Error).cause).toBe(original);
    expect((error as Error).message).toBe(
      `Run "${(error as { runId: string }).runId}" of "outer" failed at step "nested/inner/breaks": the original`,
    );
  });

  it.each([
    ['a string', 'just text', 'just text'],
    ['nothing', undefined, 'undefined'],
    ['an object', { code: 5 }, '{"code":5}'],
    ['an object that cannot be printed', Object.create(null) as unknown, 'an error that cannot be printed'],
    [
      'a message that throws',
      {
        get message(): string {
          throw new Error('trap');
        },
      },
      '[object Object]',
    ],
  ])('tells %s that was thrown', async (_what, thrown, message) => {
    const breaks = agent('breaks', () => {
      throw thrown;
    });
    const error = await lastValueFrom(run(breaks)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ failure: { message, path: 'breaks' } });
  });
});
