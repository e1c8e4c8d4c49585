import { firstValueFrom, of, switchMap, timer } from 'rxjs';

import { agent, each, execute, memoryStore } from '../../index';
import type { Agent } from '../../index';

/** A thenable that resolves with what `next` gives, at once or in so many turns. */
function thenable(next: (self: object) => unknown, later?: (work: () => void) => void): object {
  const self = {
    then(resolve: (value: unknown) => void) {
      if (later === undefined) resolve(next(self));
      else
        later(() => {
          resolve(next(self));
        });
    },
  };
  return self;
}

describe('what never ends', () => {
  it.each<[string, () => unknown]>([
    ['resolves with itself', () => thenable((self) => self)],
    ['resolves with itself in a microtask', () => thenable((self) => self, queueMicrotask)],
    ['resolves with itself in a later turn', () => thenable((self) => self, setImmediate)],
    [
      'leads to another one, which leads back',
      () => {
        const first: object = thenable(() => second);
        const second = thenable(() => first, queueMicrotask);
        return first;
      },
    ],
    [
      'leads to a new one each time',
      () => {
        const make = (): object => thenable(make, queueMicrotask);
        return make();
      },
    ],
  ])('fails by name when a thenable %s', async (_, make) => {
    const endless = agent('endless', make as () => string, { retry: { count: 3 }, timeoutMs: 5_000 });
    const { status, error } = await execute(endless, undefined);

    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ name: 'EndlessAnswerError', code: 'ENDLESS_ANSWER', path: 'endless' });
  });

  it('still times a thenable that settles with none of these', async () => {
    const silent = agent(
      'silent',
      () =>
        thenable(
          () => 1,
          () => undefined,
        ) as unknown as Promise<number>,
      {
        timeoutMs: 10,
      },
    );
    expect((await execute(silent, undefined)).error).toMatchObject({ name: 'StepTimeoutError' });
  });

  it('takes a thenable of a thenable of a stream', async () => {
    const nested = agent(
      'nested',
      () => thenable(() => thenable(() => of(1, 2))) as unknown as Promise<number>,
    );
    expect((await execute(nested, undefined)).output).toBe(2);
  });

  it.each([
    ['at once', false],
    ['after a turn', true],
  ])('fails by name when an agent asks for itself %s, however often it retries', async (_, isLate) => {
    let calls = 0;
    const itself: Agent<number, number> = agent(
      'itself',
      (n: number, { step }) => {
        calls += 1;
        const below$ = step('again', itself, n);
        return isLate ? timer(0).pipe(switchMap(() => below$)) : below$;
      },
      { retry: { count: 2 } },
    );
    const { status, error } = await execute(itself, 0, { store: memoryStore() });

    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ name: 'StepDepthError', code: 'STEP_DEPTH', retryable: false });
    expect(error?.message.length).toBeLessThan(400);
    expect(calls).toBe(256);
  });

  it('lets functions ask for each other 200 levels deep, through composites too', async () => {
    const down: Agent<number, number> = agent('down', async (n: number, { step }): Promise<number> => {
      if (n === 0) return 0;
      const [below = 0] = await firstValueFrom(step('below', list, [n - 1]));
      return below + 1;
    });
    const list = each('list', down);

    expect((await execute(down, 200)).output).toBe(200);
  });
});
