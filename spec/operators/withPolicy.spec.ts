import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

import * as t from 'io-ts';
import { defer, from, lastValueFrom, map, of, toArray } from 'rxjs';

import type { Agent, StepPolicy, Wire } from '../../index';
import {
  agent,
  approval,
  branch,
  cancel,
  chain,
  critical,
  each,
  execute,
  fallback,
  firstOf,
  loop,
  lowdbStore,
  memoryStore,
  resume,
  run,
  saga,
  saveTo,
  sleep,
  withPolicy,
  workflow,
} from '../../index';
import { collect } from '../support/told';

/** An agent that fails at its first `times` calls. */
function failing(times: number, name = 'work', took: number[] = []) {
  let left = times;
  return agent(name, (x: number) => {
    took.push(x);
    left -= 1;
    if (left >= 0) throw new Error(`no, ${String(left)} left`);
    return x + 1;
  });
}

const plus = agent('plus', (x: number) => x + 1);

/** Every kind of structure, around one agent. */
const around: Readonly<Record<string, (inner: Agent<number, number>) => Agent<never, unknown>>> = {
  agent: (inner) => inner,
  chain: (inner) => chain('c', plus, inner),
  workflow: (inner) => workflow('w', (x: Wire<number>, step) => step('inner', inner, x)),
  branch: (inner) => branch('b', () => 'one', { one: inner }),
  fallback: (inner) =>
    fallback(
      'f',
      inner,
      agent('other', ({ error }: { error: { message: string } }): never => {
        throw new Error(`${error.message} again`);
      }),
    ),
  firstOf: (inner) => firstOf('o', inner),
  loop: (inner) => loop('l', inner, { until: () => true, max: 1 }),
  each: (inner) =>
    chain(
      'many',
      agent('list', (x: number) => [x]),
      withPolicy(each('e', inner), { retry: 1 }),
    ),
};

describe('withPolicy()', () => {
  describe.each(Object.entries(around))('around %s', (kind, structureOf) => {
    const retried = (): Agent<number, unknown> =>
      withPolicy(structureOf(failing(1)) as unknown as Agent<number, unknown>, { retry: 1 });
    const good = kind === 'each' ? [2] : kind === 'chain' ? 3 : 2;

    it('tries the root of a run again', async () => {
      const state = await execute(retried(), 1);

      expect(state).toMatchObject({ status: 'COMPLETED', output: good });
    });

    it('tries a link of a chain and a step of a workflow again', async () => {
      const inChain = await execute(chain('outer', retried()), 1);
      const inWorkflow = await execute(
        workflow('outer', (x: Wire<number>, step) => step('s', retried(), x)),
        1,
      );

      expect(inChain).toMatchObject({ status: 'COMPLETED', output: good });
      expect(inWorkflow).toMatchObject({ status: 'COMPLETED', output: good });
    });

    it('tries an item of each, and a nested step of a function, again', async () => {
      const items = await execute(each('items', retried()), [1]);
      const one = retried();
      const nested = await execute(
        agent('outer', (x: number, { step }) => step('s', one, x)),
        1,
      );

      expect(items.output).toEqual([good]);
      expect(nested.output).toEqual(good);
    });

    it('tries again in a plain pipe', async () => {
      expect(await lastValueFrom(of(1).pipe(retried(), toArray()))).toEqual([good]);
    });

    it('lets the policy of a step win', async () => {
      const state = await execute(
        workflow('outer', (x: Wire<number>, step) => step('s', retried(), x, { retry: 0 })),
        1,
      );

      expect(state.status).toBe(kind === 'each' ? 'COMPLETED' : 'FAILED');
    });
  });

  it('gives the same kind of agent and leaves the first one as it was', async () => {
    const first = chain('c', failing(1));
    const patient = withPolicy(first, { retry: 1 });

    expect(patient).not.toBe(first);
    expect(patient.name).toBe('c');
    expect((await execute(first, 1)).status).toBe('FAILED');
  });

  it('merges field by field, and what is given last wins', async () => {
    const took: number[] = [];
    const work = withPolicy(withPolicy(failing(5, 'work', took), { retry: 5, critical: true }), { retry: 1 });

    const steps = collect(run(work, 1)).transitions.map(({ event }) => event);

    expect(took).toHaveLength(2);
    expect(steps.find(({ type }) => type === 'step.started')).toMatchObject({ critical: true });
  });

  it('keeps what has completed inside when the root is tried again', async () => {
    const began: string[] = [];
    const before = agent('before', (x: number) => {
      began.push('before');
      return x;
    });
    const { transitions } = collect(run(withPolicy(chain('c', before, failing(2)), { retry: 2 }), 1));

    expect(began).toEqual(['before']);
    expect(transitions.at(-1)?.state).toMatchObject({ status: 'COMPLETED', output: 2 });
    expect(transitions.filter(({ event }) => event.type === 'step.retrying')).toHaveLength(2);
    expect([...(transitions.at(-1)?.state.steps ?? [])].map(({ stepId }) => stepId)).toEqual([
      'before',
      'work',
    ]);
  });

  it.each([
    ['memory', () => memoryStore()],
    ['folder', () => lowdbStore(mkdtempSync(join(tmpdir(), 'millrace-')))],
  ])(
    'goes on with a run under another policy after all attempts failed, from a %s store',
    async (_name, open) => {
      const store = open();
      const inner = failing(3);
      const failed = await execute(withPolicy(chain('c', inner), { retry: 1 }), 1, { store, runId: 'r' });
      const resumed = await execute(withPolicy(chain('c', inner), { retry: 1 }), 1, { store, runId: 'r' });

      expect(failed.status).toBe('FAILED');
      expect(resumed).toMatchObject({ status: 'COMPLETED', output: 2, life: 2 });
      expect(await store.loadRun('r')).toMatchObject({ status: 'COMPLETED', output: 2 });
      await store.close();
    },
  );

  it('asks retryIf and delayMs about the failure of the whole', async () => {
    const asked: string[] = [];
    const state = await execute(
      withPolicy(chain('c', failing(3)), {
        retry: {
          count: 5,
          retryIf: ({ message }) => asked.push(message) > 0 && !message.startsWith('no, 1'),
          delayMs: (_failure, attempt) => attempt,
        },
      }),
      1,
    );

    expect(state.status).toBe('FAILED');
    expect(asked).toEqual(['no, 2 left', 'no, 1 left']);
  });

  it('limits the time of a root, which aborts what runs', async () => {
    const aborted = jest.fn();
    const slow = agent('slow', async (x: number, { signal }) => {
      signal.addEventListener('abort', aborted);
      await new Promise(() => undefined);
      return x;
    });
    const state = await execute(withPolicy(chain('c', slow), { timeoutMs: 15 }), 1);

    expect(state.error).toMatchObject({ name: 'StepTimeoutError', message: expect.stringContaining('"c"') });
    expect(aborted).toHaveBeenCalledTimes(1);
  });

  it('limits how many roots run at once, over all runs', async () => {
    let now = 0;
    let most = 0;
    const work = agent('work', async (x: number) => {
      most = Math.max(most, (now += 1));
      await wait(5);
      now -= 1;
      return x;
    });
    const one = withPolicy(chain('c', work), { limit: { concurrency: 1 } });
    const states = await Promise.all([1, 2, 3].map((x) => execute(one, x)));

    expect(states.map(({ output }) => output)).toEqual([1, 2, 3]);
    expect(most).toBe(1);
  });

  it('keeps the answer of a root for others that ask the same', async () => {
    const store = memoryStore();
    const took: number[] = [];
    const work = withPolicy(chain('c', failing(0, 'work', took)), { cache: {} });
    const first = await execute(work, 1, { store });
    const second = await execute(work, 1, { store });
    const inside = await execute(chain('outer', work), 1, { store });

    expect([first.output, second.output, inside.output]).toEqual([2, 2, 2]);
    expect(took).toEqual([1]);
  });

  it('makes a snapshot of a critical root when it has completed', async () => {
    const store = memoryStore();
    await lastValueFrom(
      run(withPolicy(chain('c', plus), { critical: true }), 1, { store }).pipe(saveTo(critical(), { store })),
    );

    expect((await store.snapshots.list()).map(({ name }) => name)).toEqual(['critical_c']);
  });

  it('stops a root that waits for its next attempt when the run is cancelled', async () => {
    const store = memoryStore();
    const work = withPolicy(chain('c', failing(9)), { retry: { count: 9, delayMs: 60_000 } });
    const seen = collect(run(work, 1, { store, runId: 'r' }));
    await cancel('r', { store });

    expect(seen.told.at(-1)).toBe('run.cancelled');
  });

  it('undoes once what a saga within a root has done when the run is cancelled between two attempts', async () => {
    const store = memoryStore();
    const undone: string[] = [];
    const book = agent('book', (x: number) => x, { compensate: () => void undone.push('book') });
    const fails = agent('fails', (_: number): never => {
      throw new Error('no');
    });
    const work = withPolicy(
      workflow('w', (x: Wire<number>, step) => {
        const done = step('saga', saga('s', chain('in', book)), x);
        return step('fails', fails, done);
      }),
      { retry: { count: 3, delayMs: 60_000 } },
    );
    const seen = collect(run(saga('all', work), 1, { store, runId: 'r' }));
    await cancel('r', { store });
    await wait(5);

    expect(seen.told.at(-1)).toBe('run.cancelled');
    expect(undone).toEqual(['book']);
  });

  it('gives an approval another deadline, which is on record', async () => {
    const store = memoryStore();
    const boss = agent('boss', (_: unknown) => 'boss');
    const asks = withPolicy(approval('ask', t.string, { timeoutMs: 60_000, onTimeout: boss }), {
      timeoutMs: 5,
    });
    const alone = await execute(asks, 'x', { store, runId: 'r' });
    await wait(10);
    const resumed = await lastValueFrom(resume(asks, 'r', { store }));
    expect(alone.status).toBe('SUSPENDED');
    expect(resumed.state.output).toBe('boss');
  });

  it('tries again who decides in the place of an approval, and does not ask anew', async () => {
    const store = memoryStore();
    const asks = approval('ask', t.number, { timeoutMs: 5, onTimeout: failing(1), retry: 1 });
    const asked = await execute(asks, 1, { store, runId: 'r' });
    await wait(10);
    const again = await execute(asks, 1, { store, runId: 'r' });

    expect(asked.status).toBe('SUSPENDED');
    expect(again.output).toBe(2);
  });

  it('takes the policy among the options of each, loop, saga and sleep', async () => {
    const many = await execute(each('e', failing(1), { concurrency: 1, retry: 1 }), [1, 2]);
    const round = await execute(loop('l', failing(1), { until: (x) => x > 1, max: 3, retry: 1 }), 1);
    const whole = await execute(saga('s', sleep('nap', 1e7), { timeoutMs: 5 }), 1);
    const nap = await execute(sleep('nap', 1e7, { timeoutMs: 5 }), 1);

    expect(many.output).toEqual([2, 3]);
    expect(round.output).toBe(2);
    expect(whole.error?.name).toBe('StepTimeoutError');
    expect(nap.error?.name).toBe('StepTimeoutError');
  });

  it('lets two policies of one agent stand in one saga', async () => {
    const undone: number[] = [];
    const book = agent('book', (x: number) => x + 1, { compensate: (x) => void undone.push(x) });
    const state = await execute(
      saga('s', chain('c', book, withPolicy(book, { retry: 2 }), withPolicy(failing(9), {}))),
      1,
    );

    expect(state.status).toBe('FAILED');
    expect(undone).toEqual([3, 2]);
  });

  it('refuses by name what this kind of agent cannot honour', () => {
    const refused = (make: () => unknown, text: string) =>
      expect(make).toThrow(
        expect.objectContaining({ code: 'INVALID_DEFINITION', message: expect.stringContaining(text) }),
      );
    const silent: StepPolicy = { idleTimeoutMs: 5 };
    for (const [kind, structureOf] of Object.entries(around)) {
      if (kind !== 'agent') refused(() => withPolicy(structureOf(plus), silent), 'idleTimeoutMs');
    }
    refused(() => each('e', plus, silent), 'idleTimeoutMs');
    refused(() => workflow('w', (x: Wire<number>) => x, silent), 'idleTimeoutMs');
    refused(() => approval('a', t.string, silent), 'idleTimeoutMs');
    refused(() => sleep('z', 5, silent), 'idleTimeoutMs');
    refused(() => saga('s', plus, { retry: 1 } as never), 'retry');
    refused(() => withPolicy(saga('s', plus), { retry: 1 }), 'retry');
    refused(() => withPolicy(plus, { retry: -1 }), 'retry');
    // Both would be tried again for ever.
    refused(
      () => withPolicy(plus, { retry: {} as never }),
      'retry.count must be a whole number from 0, got undefined',
    );
    refused(
      () => withPolicy(plus, { retry: null as never }),
      'retry must be a whole number from 0, got null',
    );
    refused(() => withPolicy(plus, { when: () => true } as never), '"when"');
    refused(() => withPolicy(map((x: number) => x) as never, { retry: 1 }), 'needs an agent');
    refused(() => withPolicy(plus, undefined as never), 'a policy must be a record');
  });

  it('calls a function that returns a stream again', async () => {
    let tries = 0;
    const stream = agent('stream', (x: number) =>
      defer(() => {
        tries += 1;
        return tries === 1 ? from(Promise.reject(new Error('no'))) : of(x);
      }),
    );
    expect((await execute(withPolicy(stream, { retry: 1 }), 1)).output).toBe(1);
  });
});
