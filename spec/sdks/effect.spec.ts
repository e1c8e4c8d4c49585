import { Effect } from 'effect';
import { lastValueFrom } from 'rxjs';

import { fromEffect } from '../../adapters/ai/index';
import { outputs, run } from '../../index';
import { until } from '../support/until';

describe('an effect as an agent', () => {
  it('gives its value, and fails as it fails', async () => {
    const half = fromEffect(
      'half',
      (n: number) => (n % 2 === 0 ? Effect.succeed(n / 2) : Effect.fail(new Error(`${String(n)} is odd`))),
      Effect.runPromise,
    );

    expect(await lastValueFrom(run(half, 4).pipe(outputs()))).toBe(2);
    await expect(lastValueFrom(run(half, 3))).rejects.toThrow('3 is odd');
  });

  it('is interrupted when nobody waits any more', async () => {
    let interrupted = false;
    const never = fromEffect(
      'never',
      () =>
        Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            interrupted = true;
          }),
        ),
      Effect.runPromise,
    );
    run(never, undefined).subscribe().unsubscribe();
    await until(() => interrupted);

    expect(interrupted).toBe(true);
  });
});
