import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, tap } from 'rxjs';

import type { Agent, RunEvent, RunState, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  branch,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  loop,
  lowdbStore,
  memoryStore,
  resume,
  run,
  saga,
  sleep,
  withPolicy,
  workflow,
} from '../../index';
import { everyStore } from '../support/everyStore';

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
    await expect(execute(make('two'), 1, { store, runId: 'r' })).rejects.toMatchObject({
      name: 'DefinitionMismatchError',
      diff: { changed: ['b/x'] },
    });
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

describe('steps that no plan names', () => {
  type Made = Agent<unknown, unknown>;
  let isDown = true;
  const later = agent('later', (given: unknown) => {
    if (isDown) throw new Error('later is down');
    return given;
  });
  const made = (name: string, gives: string, options: object = {}): Made => agent(name, () => gives, options);
  const no = agent('no', () => {
    throw new Error('no');
  });
  const slow = agent('slow', () => new Promise<string>(() => undefined));

  const changes: Readonly<Record<string, readonly [Made, Made]>> = {
    'another version': [made('k', 'old'), made('k', 'new', { version: 2 })],
    'one more link': [chain('k', made('one', 'old')), chain('k', made('one', 'old'), made('two', 'new'))],
    'another kind': [made('k', 'old'), chain('k', made('one', 'new'))],
    'another name': [made('k', 'old'), made('k2', 'new')],
    'another version deep inside': [
      chain('k', made('one', 'old')),
      chain('k', made('one', 'new', { version: 'b' })),
    ],
    'another version of a composite': [
      branch('k', () => 'x', { x: made('x', 'old') }),
      withPolicy(
        branch('k', () => 'y', { x: made('x', 'old'), y: made('y', 'new') }),
        { version: 2 },
      ),
    ],
  };
  // What a composite takes and gives depends on its part.
  const asMade = (of: unknown): Made => of as Made;
  const always = { until: () => true, max: 3 };
  const places: Readonly<Record<string, (part: Made) => Made>> = {
    'the case of a branch': (part) =>
      chain(
        'c',
        branch('b', () => 'x', { x: part, y: slow }),
        later,
      ),
    'a case that is not done': (part) => branch('b', () => 'x', { x: chain('z', part, later) }),
    'a round of a loop': (part) => chain('c', loop('l', part, always), later),
    'a round that is not done': (part) => loop('l', chain('z', part, later), always),
    'an item': (part) => chain('c', asMade(each('e', part)), later),
    'an item that is not done': (part) => asMade(each('e', chain('z', part, later))),
    'an item with a key': (part) =>
      each('e', chain('z', part, later), { key: (item) => `a[${String(item)}]/b` }) as unknown as Made,
    'an item of an item': (part) => chain('c', asMade(each('e', chain('z', asMade(each('e', part)), later)))),
    'the first of a fallback': (part) => chain('c', fallback('f', part, slow), later),
    'the other of a fallback': (part) => chain('c', asMade(fallback('f', no as Made, part as never)), later),
    'a race': (part) => chain('c', asMade(firstOf('f', part, slow)), later),
    'a saga': (part) => chain('c', saga('s', chain('w', part)), later),
  };
  const ended = ({ steps }: RunState): string[] =>
    [...steps]
      .flatMap(({ stepId, agent: by, status }) => (status === 'PENDING' ? [] : [`${stepId} ${by} ${status}`]))
      .sort();
  const inputOf = (place: string): unknown => (place.includes('of an item') ? [[1]] : [1]);

  beforeEach(() => {
    isDown = true;
  });

  for (const [place, at] of Object.entries(places)) {
    it.each(Object.entries(changes))(`are refused by name in ${place}: %s`, async (_, [before, after]) => {
      const store = memoryStore();
      const input = inputOf(place);
      expect((await execute(at(before), input, { store, runId: 'r' })).status).toBe('FAILED');
      isDown = false;
      const fresh = await execute(at(after), input);
      const forked = await fork('r', { store });

      for (const runId of ['r', forked]) {
        await expect(execute(at(after), input, { store, runId })).rejects.toMatchObject({
          name: 'DefinitionMismatchError',
        });
        const state = await execute(at(after), input, { store, runId, onMismatch: 'actual' });
        expect(state).toMatchObject({ status: 'COMPLETED', output: fresh.output });
        expect(ended(state)).toEqual(ended(fresh));
        // From here on it belongs to the new definition.
        expect((await execute(at(after), input, { store, runId })).status).toBe('COMPLETED');
        await expect(execute(at(before), input, { store, runId })).rejects.toMatchObject({
          name: 'DefinitionMismatchError',
        });
      }
    });
  }

  it('are refused in a folder too, by another process, when the run has completed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'recorded-agents-'));
    isDown = false;
    const [before, after] = changes['one more link'] as readonly [Made, Made];
    const at = places['an item'] as (part: Made) => Made;
    const first = lowdbStore(folder);
    await execute(at(before), [1, 2], { store: first, runId: 'r' });
    await first.close();
    const second = lowdbStore(folder);
    await expect(execute(at(after), [1, 2], { store: second, runId: 'r' })).rejects.toThrow(
      '(changed: e[]/k)',
    );
    expect((await execute(at(before), [1, 2], { store: second, runId: 'r' })).output).toEqual(['old', 'old']);
    await second.close();
    rmSync(folder, { recursive: true });
  });

  it('may change as long as none of them has begun, and belong to the run from then on', async () => {
    const store = memoryStore();
    const at = (x: Made, y: Made) =>
      chain(
        'c',
        later,
        branch('b', () => 'x', { x, y }),
        later,
      );
    await execute(at(made('x', 'old'), made('y', 'old')), 1, { store, runId: 'r' });
    const failing = agent('x', () => {
      throw new Error('x is down');
    });
    isDown = false;
    const second = at(chain('x', failing as Made), made('y2', 'other'));
    expect((await execute(second, 1, { store, runId: 'r' })).error?.message).toBe('x is down');
    await expect(
      execute(at(made('x', 'old'), made('y', 'old')), 1, { store, runId: 'r' }),
    ).rejects.toMatchObject({ diff: { changed: ['b/x'] } });
    // A case that was not taken may change at any time.
    const third = at(chain('x', failing as Made), made('y3', 'other'));
    expect((await execute(third, 1, { store, runId: 'r' })).error?.message).toBe('x is down');
  });

  it('keep what other steps have given, with onMismatch', async () => {
    const store = memoryStore();
    let calls = 0;
    const dear = agent('dear', () => (calls += 1));
    const at = (part: Made) =>
      chain(
        'c',
        dear,
        branch('b', () => 'x', { x: part }),
        later,
      );
    await execute(at(made('x', 'old')), 1, { store, runId: 'r' });
    isDown = false;
    const { output } = await execute(at(made('y', 'new')), 1, { store, runId: 'r', onMismatch: 'actual' });
    expect([output, calls]).toEqual(['new', 1]);
  });

  it('are taken as they are in runs of earlier releases', async () => {
    const store = memoryStore();
    const at = places['the case of a branch'] as (part: Made) => Made;
    const { unplanned: _, ...saved } = await execute(at(made('k', 'old')), 1);
    await store.importRun({ ...saved, runId: 'r' });
    isDown = false;
    expect((await execute(at(made('k', 'new', { version: 2 })), 1, { store, runId: 'r' })).output).toBe(
      'old',
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

  it('may be that of any kind of agent, also at the root of a run', async () => {
    const part = agent('part', (given: unknown) => given);
    const roots: Readonly<Record<string, (version?: number) => Agent<never, unknown>>> = {
      each: (version) => each('r', part, version === undefined ? {} : { version }),
      loop: (version) => loop('r', part, { until: () => true, max: 1, ...(version && { version }) }),
      sleep: (version) => sleep('r', () => 0, { ...(version && { version }) }),
      saga: (version) => saga('r', part, { ...(version && { version }) }),
      workflow: (version) =>
        workflow('r', (input: Wire<unknown>, step) => step('a', part, input), {
          ...(version && { version }),
        }),
      chain: (version) => withPolicy(chain('r', part), { ...(version && { version }) }),
      branch: (version) =>
        withPolicy(
          branch('r', () => 'x', { x: part }),
          { ...(version && { version }) },
        ),
    };
    for (const make of Object.values(roots)) {
      for (const wrap of [(of: Agent<never, unknown>) => of, (of: Agent<never, unknown>) => chain('c', of)]) {
        const store = memoryStore();
        const given = [1] as never;
        await execute(wrap(make()), given, { store, runId: 'r' });
        expect((await execute(wrap(make()), given, { store, runId: 'r' })).status).toBe('COMPLETED');
        await expect(execute(wrap(make(2)), given, { store, runId: 'r' })).rejects.toMatchObject({
          name: 'DefinitionMismatchError',
        });
        expect(
          await execute(wrap(make(2)), given, { store, runId: 'r', onMismatch: 'actual' }),
        ).toMatchObject({ status: 'COMPLETED', life: 2 });
        await expect(execute(wrap(make(3)), given, { store, runId: 'r' })).rejects.toMatchObject({
          name: 'DefinitionMismatchError',
        });
      }
    }
  });

  it('of a question voids the answer that is on record', async () => {
    const store = memoryStore();
    const at = (version: number) =>
      chain(
        'c',
        approval('ask', t.unknown, { version }),
        agent('use', (given: unknown) => {
          if (version === 1) throw new Error('down');
          return given;
        }),
      );
    await execute(at(1), 1, { store, runId: 'r' });
    await answer('r', 'ask', 'yes', { store });
    await execute(at(1), 1, { store, runId: 'r' });
    expect(await execute(at(2), 1, { store, runId: 'r', onMismatch: 'actual' })).toMatchObject({
      status: 'SUSPENDED',
    });
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

  describe.each(everyStore)('%s', (_where, open) => {
    const linked = (name: string, part: ReturnType<typeof world>['part'], ids: readonly string[]) =>
      chain(name, ...(ids.map((id) => part(id)) as [Agent<unknown, string>]));

    it.each<[string, (inner: Agent<unknown, string>) => Agent<unknown, unknown>]>([
      [
        'of a workflow within a workflow',
        (inner) =>
          workflow('w', (input: Wire<unknown>, step) =>
            step(
              'in',
              workflow('v', (given: Wire<unknown>, add) => add('inner', inner, given)),
              input,
            ),
          ),
      ],
      [
        'of items',
        (inner) =>
          chain(
            'all',
            agent('list', () => ['x', 'y']),
            each('e', inner),
          ),
      ],
      [
        'of a case',
        (inner) =>
          chain(
            'all',
            branch('b', () => 'a', { a: inner }),
          ),
      ],
      ['of what is asked first', (inner) => chain('all', firstOf('race', inner))],
      ['of a round', (inner) => chain('all', loop('l', inner, { until: () => true, max: 2 }))],
    ])('are gone: those %s', async (_of, within) => {
      const { part, down } = world();
      const store = open();
      down.add('check');
      await execute(within(linked('inner', part, ['load', 'old', 'older', 'check', 'never'])), 'x', {
        store,
        runId: 'r',
      });
      down.clear();

      const now = within(linked('inner', part, ['load', 'tidy', 'check']));
      const state = await execute(now, 'x', { store, runId: 'r', onMismatch: 'actual' });
      const anew = await execute(now, 'x', { store, runId: 's' });

      const rows = ({ steps }: RunState) =>
        [...steps].map(({ stepId, status }) => `${stepId} ${status}`).sort();
      expect(state.output).toEqual(anew.output);
      expect(rows(state)).toEqual(rows(anew));
      const saved = await store.loadRun('r');
      expect(saved && rows(saved)).toEqual(rows(anew));
      const copy = await fork('r', { store });
      const { state: forked } = await lastValueFrom(resume(now, copy, { store }));
      expect(rows(forked)).toEqual(rows(anew));
    });
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

describe.each(everyStore)(
  'a step below an item that a later definition does not have any more (%s)',
  (_where, open) => {
    it('hands out no key again when it is there again, after the run has completed without it', async () => {
      const keys: string[] = [];
      const paying = agent('pay', (_: unknown, { idempotencyKey }) => {
        keys.push(idempotencyKey);
        return 1;
      });
      const end = agent('end', () => 2);
      const items = (...links: readonly Agent<unknown, unknown>[]) =>
        each('e', chain('inner', ...(links as [Agent<unknown, unknown>])));
      const options = { store: open(), runId: 'r', onMismatch: 'actual' } as const;

      for (const links of [[paying, end], [end], [paying, end], [end], [paying, paying, end]])
        expect((await execute(items(...links), ['x'], options)).status).toBe('COMPLETED');

      expect(new Set(keys).size).toBe(4);
      const steps = [...((await options.store.loadRun('r'))?.steps ?? [])];
      expect(steps.map(({ stepId, status }) => `${stepId} ${status}`).sort()).toEqual([
        '[0]/inner COMPLETED',
        '[0]/inner/end COMPLETED',
        '[0]/inner/pay COMPLETED',
        '[0]/inner/pay[1] COMPLETED',
      ]);
    });
  },
);

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

  describe.each(everyStore)('%s', (_where, open) => {
    const failing = agent('failing', (_: unknown): string => {
      throw new Error('no');
    });
    const one = agent('one', () => 'one');
    const other = agent('other', () => 'other');
    const cache = {};
    it.each<[string, (inner: Agent<unknown, string>) => Agent<unknown, unknown>]>([
      ['a chain', (inner) => withPolicy(chain('same', inner), { cache })],
      ['a chain within a chain', (inner) => withPolicy(chain('same', chain('in', inner)), { cache })],
      [
        'a case',
        (inner) =>
          withPolicy(
            branch('same', () => 'a', { a: inner }),
            { cache },
          ),
      ],
      [
        'what is asked when the first fails',
        (inner) => withPolicy(fallback('same', failing, inner), { cache }),
      ],
      ['a race', (inner) => withPolicy(firstOf('same', inner), { cache })],
      [
        'items',
        (inner) =>
          chain(
            'c',
            agent('list', () => [1]),
            withPolicy(each('same', inner), { cache }),
          ),
      ],
      ['a saga', (inner) => withPolicy(saga('same', inner), { cache })],
      ['a round', (inner) => withPolicy(loop('same', inner, { until: () => true, max: 2 }), { cache })],
    ])('is not taken for that of %s with the same name and other parts', async (_what, within) => {
      const store = open();
      const outputs = [];
      for (const inner of [one, other, one]) {
        outputs.push((await execute(chain('all', within(inner)), 'x', { store })).output);
      }
      expect(outputs.flat()).toEqual(['one', 'other', 'one']);
    });
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
