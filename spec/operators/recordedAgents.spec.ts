import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';

import type { Agent, RunEvent, Wire } from '../../index';
import { agent, branch, chain, each, execute, fork, memoryStore, resume, run, workflow } from '../../index';

/** Agents that note their calls; those named in `down` fail. */
function world() {
  const calls: string[] = [];
  const down = new Set<string>();
  const part = (name: string, options: object = {}): Agent<unknown, string> =>
    agent(
      name,
      (input: unknown) => {
        calls.push(name);
        if (down.has(name)) throw new Error(`${name} is down`);
        return `${String(input)} ${name}`;
      },
      options,
    );
  return { calls, down, part };
}

const nesting = (inner: Agent<unknown, unknown>, after: Agent<unknown, unknown>) =>
  agent('flow', async (input: unknown, { step }) => {
    const given = await firstValueFrom(step('work', inner, input));
    return firstValueFrom(step('after', after, given));
  });

describe('a step that is now carried out by another agent', () => {
  const changes: Record<
    string,
    (
      part: (name: string) => Agent<unknown, string>,
    ) => readonly [Agent<unknown, unknown>, Agent<unknown, unknown>]
  > = {
    'another name': (part) => [part('euro'), part('dollar')],
    'a chain with one more link': (part) => [chain('k', part('one')), chain('k', part('one'), part('two'))],
    'another case deep inside': (part) => [
      chain(
        'k',
        branch('b', () => 'x', { x: part('one') }),
      ),
      chain(
        'k',
        branch('b', () => 'x', { x: part('two') }),
      ),
    ],
    'another version': (part) => [part('one'), agent('one', () => 'second', { version: 2 })],
  };

  it.each(Object.entries(changes))('is refused by name below a function: %s', async (_, make) => {
    const { part, calls, down } = world();
    const [before, after] = make(part);
    const store = memoryStore();
    down.add('next');
    await execute(nesting(before, part('next')), 1, { store, runId: 'r' });
    down.clear();
    calls.length = 0;

    const refused = await execute(nesting(after, part('next')), 1, { store, runId: 'r' });
    expect(refused.error).toMatchObject({ name: 'NestedAgentError', path: 'flow/work' });
    expect(calls).toEqual([]);

    const again = await execute(nesting(after, part('next')), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect(again.output).toBe((await execute(nesting(after, part('next')), 1)).output);
  });

  it('keeps its result where nothing has changed', async () => {
    const { part, calls, down } = world();
    const store = memoryStore();
    down.add('next');
    await execute(nesting(chain('k', part('one')), part('next')), 1, { store, runId: 'r' });
    down.clear();

    expect(
      (await execute(nesting(chain('k', part('one')), part('next')), 1, { store, runId: 'r' })).status,
    ).toBe('COMPLETED');
    expect(calls).toEqual(['one', 'next', 'next']);
  });

  it('gets another idempotency key where it is carried out anew', async () => {
    const keys: string[] = [];
    const paying = (name: string) =>
      agent(name, (_: unknown, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        return name;
      });
    const store = memoryStore();
    const { part, down } = world();
    down.add('next');
    await execute(nesting(paying('euro'), part('next')), 1, { store, runId: 'r' });
    await execute(nesting(paying('dollar'), part('next')), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect(new Set(keys).size).toBe(2);
  });

  it('is refused as a case of a branch, and is carried out anew with onMismatch', async () => {
    const { part, down } = world();
    const make = (name: string) =>
      chain(
        'c',
        branch('b', () => 'x', { x: part(name) }),
        part('next'),
      );
    const store = memoryStore();
    down.add('one');
    await execute(make('one'), 1, { store, runId: 'r' });
    down.clear();
    expect((await execute(make('two'), 1, { store, runId: 'r' })).error?.name).toBe('NestedAgentError');
    expect((await execute(make('two'), 1, { store, runId: 'r', onMismatch: 'actual' })).output).toBe(
      '1 two next',
    );
  });

  it('with another input is carried out anew with onMismatch, and told as a WARNING', async () => {
    let life = 0;
    const { part } = world();
    const drifting = agent('drift', async (_: unknown, { step }) => {
      life += 1;
      const given = await firstValueFrom(step('x', part('up'), life));
      if (life < 2) throw new Error('down');
      return given;
    });
    const store = memoryStore();
    await execute(drifting, 1, { store, runId: 'r' });
    expect((await execute(drifting, 1, { store, runId: 'r' })).error?.name).toBe('NestedInputError');

    const events: RunEvent[] = [];
    await lastValueFrom(
      run(drifting, 1, { store, runId: 'r', onMismatch: 'actual' }).pipe(
        tap(({ event }) => events.push(event)),
      ),
    );
    expect((await store.loadRun('r'))?.output).toBe('3 up');
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'step.logged', level: 'WARNING', path: 'drift/x' }),
    );
  });
});

describe('a run under an id that another agent has used', () => {
  it('is refused by name also where the links are equal', async () => {
    const { part, calls } = world();
    const store = memoryStore();
    await execute(chain('first', part('a')), 1, { store, runId: 'r' });
    await expect(execute(chain('second', part('a')), 1, { store, runId: 'r' })).rejects.toThrow(
      /it was begun as "first"/,
    );

    const state = await execute(chain('second', part('a')), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect([state.name, state.status, calls]).toEqual(['second', 'COMPLETED', ['a', 'a']]);
    expect((await execute(chain('second', part('a')), 1, { store, runId: 'r' })).name).toBe('second');
  });
});

describe('the version of an agent', () => {
  it('keeps outputs of another version from being used', async () => {
    const { part, calls, down } = world();
    const make = (version?: number) =>
      chain('c', part('a', version === undefined ? {} : { version }), part('b'));
    const store = memoryStore();
    down.add('b');
    await execute(make(), 1, { store, runId: 'r' });
    down.clear();

    await expect(execute(make(2), 1, { store, runId: 'r' })).rejects.toThrow(/changed: a/);
    await execute(make(2), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect(calls).toEqual(['a', 'b', 'a', 'b']);
    await expect(execute(make(3), 1, { store, runId: 'r' })).rejects.toThrow(/changed: a/);
  });

  it('is not needed where the output codec reads what the old version gave', async () => {
    interface Weight {
      readonly value: number;
      readonly unit: string;
    }
    const upgrading = new t.Type<Weight, unknown>(
      'Weight',
      (value): value is Weight => typeof value === 'object' && value !== null && 'unit' in value,
      (value, context) =>
        typeof value === 'object' && value !== null
          ? t.success({ unit: 'kg', ...value } as Weight)
          : t.failure(value, context),
      (value) => value,
    );
    const { part, down } = world();
    const store = memoryStore();
    down.add('use');
    await execute(
      chain(
        'c',
        agent('weigh', (value: number) => ({ value })),
        part('use'),
      ),
      5,
      { store, runId: 'r' },
    );

    const weigh = agent('weigh', (value: number): Weight => ({ value, unit: 'g' }), { output: upgrading });
    const unit = agent('use', ({ unit: of }: Weight) => of);
    expect((await execute(chain('c', weigh, unit), 5, { store, runId: 'r' })).output).toBe('kg');
  });

  it('must be a text or a number', () => {
    expect(() => agent('a', () => 1, { version: NaN })).toThrow(/version is NaN; give a text or a number/);
    expect(() => agent('a', () => 1, { version: {} as never })).toThrow(/give a text or a number/);
  });
});

describe('steps that a new definition does not have any more', () => {
  it('are gone from the run that goes on with it, and from its forks', async () => {
    const { part, down } = world();
    const store = memoryStore();
    down.add('check');
    const two = (name: string) => chain(name, part(`${name} one`), part(`${name} two`));
    await execute(chain('c', part('load'), two('clean'), part('check')), 1, { store, runId: 'r' });
    down.clear();

    const now = chain('c', part('load'), part('tidy'), part('check'));
    const state = await execute(now, 1, { store, runId: 'r', onMismatch: 'actual' });
    expect([...state.steps].map(({ stepId }) => stepId).sort()).toEqual(['check', 'load', 'tidy']);

    const copy = await fork('r', { store, from: 'check' });
    const { state: forked } = await lastValueFrom(resume(now, copy, { store }));
    expect([...forked.steps].map(({ stepId, status }) => `${stepId} ${status}`).sort()).toEqual([
      'check COMPLETED',
      'load COMPLETED',
      'tidy COMPLETED',
    ]);
  });

  it('hand out no key again when a later definition has them again', async () => {
    const keys: string[] = [];
    const keyed = agent('pay', (_: unknown, { idempotencyKey }) => {
      keys.push(idempotencyKey);
      return 1;
    });
    const { part, down } = world();
    const store = memoryStore();
    down.add('end');
    const options = { store, runId: 'r', onMismatch: 'actual' } as const;
    await execute(chain('c', keyed, part('end')), 1, options);
    await execute(chain('c', part('end')), 1, options);
    await execute(chain('c', keyed, part('end')), 1, options);
    expect(new Set(keys).size).toBe(2);
  });
});

describe('a cached answer', () => {
  const asking = (work: (input: string) => string, options: object = {}) =>
    agent('summarise', work, { cache: {}, ...options });

  it('is not taken for that of another agent with the same name', async () => {
    const store = memoryStore();
    const first = asking((text) => `first ${text}`);
    const second = asking((text) => `second ${text}`);
    const part = (inner: Agent<string, string>) =>
      workflow('summarise', (input: Wire<string>, step) => step('x', inner, input), { cache: {} });
    expect((await execute(chain('a', first), 'x', { store })).output).toBe('first x');
    expect((await execute(chain('b', second), 'x', { store })).output).toBe('second x');
    expect((await execute(chain('c', part(first)), 'x', { store })).output).toBe('first x');
    expect((await execute(chain('d', part(second)), 'x', { store })).output).toBe('second x');
    expect((await execute(each('e', second), ['x'], { store })).output).toEqual(['second x']);
  });

  it('is not taken for that of another version, also where the key is the same', async () => {
    const store = memoryStore();
    let calls = 0;
    const of = (version: number, cache: object) =>
      agent('a', (_: unknown) => (calls += 1), { version, cache });
    for (const cache of [{}, { key: () => 'same' }]) {
      const outputs = [];
      for (const version of [1, 2, 1])
        outputs.push((await execute(of(version, cache), 'x', { store })).output);
      expect(outputs[0]).toBe(outputs[2]);
      expect(outputs[0]).not.toBe(outputs[1]);
    }
  });

  it('is shared on purpose by agents of one name that give the same key', async () => {
    const store = memoryStore();
    const cache = { key: (text: string) => text };
    await execute(
      asking((text) => `first ${text}`, { cache }),
      'x',
      { store },
    );
    expect(
      (
        await execute(
          asking((text) => `second ${text}`, { cache }),
          'x',
          { store },
        )
      ).output,
    ).toBe('first x');
  });
});
