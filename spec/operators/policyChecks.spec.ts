import * as t from 'io-ts';
import { finalize, NEVER } from 'rxjs';

import { agent, approval, chain, execute, loop, memoryStore, run, workflow } from '../../index';
import type { Wire } from '../../index';
import { collect } from '../support/told';

describe('policies and arguments', () => {
  it('a chain that is a step is limited in time', async () => {
    const torn = jest.fn();
    const slow = agent('slow', (_: number) => NEVER.pipe(finalize(torn)));
    const w = workflow('w', (input: Wire<number>, step) =>
      step('c', chain('c', slow), input, { timeoutMs: 15 }),
    );
    const state = await execute(w, 1);
    expect(state.error).toMatchObject({ name: 'StepTimeoutError', path: 'c' });
    expect(torn).toHaveBeenCalledTimes(1);
  });

  it('numbers that make no sense are refused when the agent is defined', () => {
    const refuse = (options: object) =>
      expect(() => agent('a', () => 1, options)).toThrow(
        expect.objectContaining({ name: 'DefinitionError' }),
      );
    refuse({ retry: NaN });
    refuse({ retry: { count: 1, delayMs: NaN } });
    refuse({ retry: { count: 1, delayMs: Infinity } });
    refuse({ timeoutMs: -1 });
    refuse({ concurrency: 0 });
    expect(() => agent('a', undefined as never)).toThrow('its work must be a function');
  });

  it('a run that waits for an answer keeps no process alive for its deadline', () => {
    jest.useFakeTimers();
    try {
      const asks = approval('ask', t.boolean, { timeoutMs: 1e9 });
      const seen = collect(run(chain('c', asks), 'x', { store: memoryStore(), runId: 'r' }));
      expect(seen.told.at(-1)).toBe('run.suspended');
      expect(jest.getTimerCount()).toBe(0);
    } finally {
      jest.useRealTimers();
    }
  });

  it('a predicate that answers with a Promise is told from one that says yes', async () => {
    const later = (() => Promise.resolve(false)) as never;
    const w = workflow('w', (input: Wire<number>, step) => step('a', (x) => x, input, { when: later }));
    expect((await execute(w, 1)).error?.message).toContain(
      'when of step "a" must give true or false, got a Promise',
    );
    const again = loop(
      'l',
      agent('a', (x: number) => x),
      { until: later, max: 3 },
    );
    expect((await execute(again, 1)).error?.message).toContain('until of loop "l"');
  });

  it.each([undefined, NaN, Infinity])('a delay of %s fails the step with what it gave', async (given) => {
    const broken = agent(
      'broken',
      (): number => {
        throw new Error('no');
      },
      { retry: { count: 1, delayMs: () => given as number } },
    );
    expect((await execute(broken)).error?.message).toContain(`retry.delayMs gave ${String(given)}`);
  });

  it('what is no agent, and what is no store, is refused at once', () => {
    for (const [given, got] of [
      [(x: number) => x, 'function'],
      [undefined, 'undefined'],
      [Object.create(null), 'object'],
      [Promise.resolve(), 'a Promise'],
    ] as const)
      expect(() => run(given as never, 1)).toThrow(
        `Cannot run: an agent is needed, got ${got}; make one with agent()`,
      );
    expect(() =>
      run(
        agent('a', () => 1),
        undefined,
        { store: './state' as never },
      ),
    ).toThrow("lowdbStore('./state')");
  });

  it('a plain function in a chain is told from an operator', async () => {
    const state = await execute(chain('c', ((x: number) => x + 1) as never), 1);
    expect(state.error?.message).toContain('is no operator; wrap the function with agent()');
  });

  it('a policy of a step that is none is refused by its name', () => {
    const work = agent('work', (n: number) => n);
    const refused = (policy: object, what: string) => {
      expect(() => workflow('w', (n: Wire<number>, step) => step('a', work, n, policy))).toThrow(what);
      expect(() => workflow('w', (n: Wire<number>, step) => step('a', (x: number) => x, n, policy))).toThrow(
        what,
      );
    };
    refused({ retires: 3 }, '"retires" is no policy; there are retry, timeoutMs, idleTimeoutMs, limit');
    refused({ retry: 1, keepPartials: true }, '"keepPartials" is no policy');
    refused({ version: 2 }, '"version" is no policy');
    expect(() =>
      workflow('w', (n: Wire<number>, step) =>
        step('a', work, n, { when: () => true, otherwise: 1, retry: 1, critical: true }),
      ),
    ).not.toThrow();
  });
});
