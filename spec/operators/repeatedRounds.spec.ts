import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { lastValueFrom, map, timer } from 'rxjs';

import type { Agent, Store, Wire } from '../../index';
import {
  agent,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  fork,
  lowdbStore,
  loop,
  memoryStore,
  resume,
  run,
  workflow,
} from '../../index';
import { definitionOf, planOf, unplannedOf } from '../../lib/definition/definition';
import { definitionAt } from '../../lib/definition/definitionAt';
import { idsIn } from '../../lib/definition/planDiff';
import { checkReplay } from '../../testing';
import { everyStore } from '../support/everyStore';

/** Rounds of a body, until it is a multiple of three; `last` fails until it is mended. */
class Work {
  isBroken = true;
  readonly calls: string[] = [];
  readonly add: (name: string) => Agent<number, number> = (name) =>
    agent(name, (n: number) => {
      this.calls.push(`${name} ${String(n)}`);
      return n + 1;
    });
  readonly last = agent('last', (n: unknown) => {
    if (this.isBroken) throw new Error('not yet');
    return n;
  });
  readonly refine = (body = 'inc') => loop('refine', this.add(body), { until: (n) => n % 3 === 0, max: 10 });
}

type Build = (work: Work) => readonly [agent: Agent<never, unknown>, input: unknown, output: unknown];

const nestedIn = (work: Work, body?: string) => {
  const refine = work.refine(body);
  return chain('c', refine, work.add('mid'), refine, work.last);
};

const builds: Record<string, Build> = {
  'two loops in a chain': (work) => [nestedIn(work), 1, 6],
  'two loops in a chain whose body has their name': (work) => [nestedIn(work, 'refine'), 1, 6],
  'three of them': (work) => {
    const refine = work.refine();
    return [chain('c', refine, work.add('mid'), refine, work.add('mid'), refine, work.last), 1, 9];
  },
  'an each beside a chain of its name': (work) => {
    const sum = chain(
      'p',
      agent('x', (all: number[]) => all.length),
    );
    return [
      chain(
        'c',
        each(
          'p',
          agent('x', (n: number) => n * 10),
        ),
        sum,
        work.last,
      ),
      [1, 2, 3],
      3,
    ];
  },
  'a loop called op beside an operator': (work) => {
    const op = loop('op', work.add('inc'), { until: (n) => n > 4, max: 9 });
    return [
      chain(
        'c',
        op,
        work.add('mid'),
        map((n: number) => n * 100),
        work.last,
      ),
      1,
      600,
    ];
  },
  'a fallback to the same loop': (work) => {
    const strict = loop('refine', work.add('refine'), { until: (n) => n > 9, max: 3 });
    const from = agent('from', (given: unknown) => (typeof given === 'number' ? given : 7));
    const rest = chain('refine', from, loop('refine', work.add('refine'), { until: (n) => n > 9, max: 9 }));
    return [chain('c', fallback('b', strict, rest), work.last), 1, 10];
  },
  'within a workflow, an each and a loop': (work) => {
    const within = workflow('w', (input: Wire<number>, step) =>
      step('inside', chain('d', ...twice(work)), input),
    );
    const around = loop('again', within, { until: (n) => n > 10, max: 9 });
    return [chain('c', each('all', around), work.last), [1, 2], [12, 12]];
  },
  'asked for by a function': (work) => {
    const asks = agent('asks', async (n: number, { call }) => call('more', chain('d', ...twice(work)), n));
    return [chain('c', asks, work.last), 1, 6];
  },
};

function twice(work: Work): [Agent<number, number>, Agent<number, number>, Agent<number, number>] {
  const refine = work.refine('refine');
  return [refine, work.add('mid'), refine];
}

describe.each(everyStore)('agents of one name that have rounds or items (%s)', (_where, open) => {
  it.each(Object.keys(builds))('go on where they stood, each call once: %s', async (how) => {
    const [whole, broken] = [new Work(), new Work()];
    whole.isBroken = false;
    const build = builds[how] as Build;
    const [direct, input, output] = build(whole);
    const [resumed] = build(broken);
    const store = open();

    expect((await execute(direct, input as never)).output).toEqual(output);
    expect((await execute(resumed, input as never, { store, runId: 'r' })).status).toBe('FAILED');
    broken.isBroken = false;
    const forkId = await fork('r', { store });
    const state = await execute(resumed, input as never, { store, runId: 'r' });

    expect([state.status, state.output]).toEqual(['COMPLETED', output]);
    expect(broken.calls).toEqual(whole.calls);
    expect((await execute(resumed, input as never, { store, runId: forkId })).output).toEqual(output);
    expect(broken.calls).toEqual(whole.calls);
  });

  it('a round of one contender is not taken for the end of another', async () => {
    const store = open();
    const control = new AbortController();
    let rounds = 0;
    const body = agent('refine', async (n: number) => {
      rounds += 1;
      await lastValueFrom(timer(2));
      if (rounds === 5) control.abort();
      return n + 1;
    });
    const refine = loop('refine', body, { until: (n) => n >= 10, max: 20 });
    const first = firstOf('f', refine, refine);

    await lastValueFrom(run(first, 1, { store, runId: 'r', signal: control.signal }));
    const { status, output } = await execute(first, 1, { store, runId: 'r' });

    expect([status, output]).toEqual(['COMPLETED', 10]);
  });
});

describe('ids of agents of one name', () => {
  const work = new Work();
  const idsIn2 = (agent: Agent<never, unknown>) => [...planOf(definitionOf(agent)!)].map(({ path }) => path);

  it('are as they were where they cannot be those of rounds', () => {
    const add = work.add('add');
    expect(idsIn2(chain('c', add, add, chain('add', add), add) as never)).toEqual([
      'add',
      'add[1]',
      'add[2]',
      'add[2]/add',
      'add[3]',
    ]);
  });

  it('are no name that another agent has', () => {
    const refine = work.refine();
    expect(idsIn2(chain('c', refine, work.add('refine#2'), refine, refine) as never)).toEqual([
      'refine',
      'refine#2',
      'refine#3',
      'refine#4',
    ]);
  });

  it('lead to their definitions', () => {
    const agentOf = (path: string) => definitionAt(nestedIn(work), path);
    expect(agentOf('refine#2')).toMatchObject({ kind: 'loop' });
    expect(agentOf('refine#2[0]')).toMatchObject({ name: 'inc' });
    expect(agentOf('refine[1]')).toMatchObject({ name: 'inc' });
  });
});

/** What a release wrote that named the second of them `refine[1]`: each run has failed in `last`. */
const earlier: Record<string, Build> = {
  'a chain': (work) => [nestedIn(work), 2, 6],
  'a chain whose body has its name': (work) => [nestedIn(work, 'refine'), 2, 6],
  'a chain within items': (work) => [
    chain('c', each('all', chain('d', ...twice(work))), work.last),
    [2, 5],
    [6, 9],
  ],
  'a fallback': builds['a fallback to the same loop'] as Build,
  'a chain that a function asks for': (work) => {
    const [agentOf] = (builds['asked for by a function'] as Build)(work);
    return [agentOf, 2, 6];
  },
};

describe('runs of a release that named them like rounds', () => {
  let folder: string;
  let store: Store;
  beforeEach(() => {
    const golden = resolve(__dirname, '../golden/v4/rounds');
    folder = mkdtempSync(join(tmpdir(), 'millrace-rounds-'));
    for (const name of readdirSync(golden, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.golden')) continue;
      mkdirSync(join(folder, dirname(name)), { recursive: true });
      cpSync(join(golden, name), join(folder, name.slice(0, -'.golden'.length)));
    }
    store = lowdbStore(folder);
  });
  afterEach(async () => {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(Object.keys(earlier))('go on from what they hold, and so do their forks: %s', async (how) => {
    const work = new Work();
    work.isBroken = false;
    const [agentOf, , output] = (earlier[how] as Build)(work);
    const forkId = await fork(how, { store });

    for (const runId of [how, forkId]) {
      const { state } = await lastValueFrom(resume(agentOf, runId, { store }));
      expect([state.status, state.output]).toEqual(['COMPLETED', output]);
      expect([...state.steps].some(({ stepId }) => stepId.includes('#'))).toBe(false);
    }
    expect(work.calls).toEqual([]);
  });

  it('are the same runs to whoever asks before a deployment', async () => {
    for (const how of Object.keys(earlier)) {
      const work = new Work();
      work.isBroken = false;
      const [agentOf] = (earlier[how] as Build)(work);
      const { state } = await lastValueFrom(resume(agentOf, how, { store }));
      const one = memoryStore();
      await one.importRun(state);
      const { checked, differences } = await checkReplay(agentOf, { store: one });

      expect([checked, differences]).toEqual([[how], []]);
    }
  });

  it('call what is left under the ids they have', async () => {
    const work = new Work();
    work.isBroken = false;
    const [agentOf] = (earlier['a chain'] as Build)(work);
    const forkId = await fork('a chain', { store, from: 'refine[1]' });
    const { state } = await lastValueFrom(resume(agentOf, forkId, { store }));

    expect([state.status, state.output]).toEqual(['COMPLETED', 6]);
    expect(work.calls).toEqual(['inc 4', 'inc 5']);
    expect([...state.steps].map(({ stepId }) => stepId).sort()).toEqual([
      'last',
      'mid',
      'refine',
      'refine[0]',
      'refine[1]',
      'refine[1][0]',
      'refine[1][1]',
    ]);
  });

  it('are told by their plan, or by what carries out the steps that no plan names', () => {
    for (const build of Object.values(earlier)) {
      const definition = definitionOf(build(new Work())[0])!;
      const [plan, unplanned] = [planOf(definition, 'earlier'), unplannedOf(definition, 'earlier')];
      expect(idsIn(definition, { plan: planOf(definition), unplanned: unplannedOf(definition)! })).toBe(
        'own',
      );
      if (plan.some(({ kind }) => kind === 'function' && plan.length === 2)) continue;
      expect(idsIn(definition, { plan, ...(unplanned !== undefined && { unplanned }) })).toBe('earlier');
      expect(idsIn(definition, { plan })).toBe('earlier');
    }
  });
});
