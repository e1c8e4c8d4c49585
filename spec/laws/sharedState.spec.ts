import { setImmediate as turn } from 'node:timers/promises';

import fc from 'fast-check';
import { produceWithPatches } from 'immer';
import { lastValueFrom, toArray } from 'rxjs';

import type { RunEvent, RunState, StepContext, Wire } from '../../index';
import { agent, execute, fork, memoryStore, reduceRun, resume, workflow } from '../../index';
import { idleState } from '../../lib/model/state';
import { crashPoints, recordingStore } from '../../testing';

const CASES = Number(process.env['LAW_CASES'] ?? 20);
/** Steps side by side that die after each of their events. */
const WIDTH = CASES > 50 ? 50 : 12;

interface Ledger {
  readonly count: number;
  readonly list: readonly string[];
  readonly groups: Readonly<Record<string, number>>;
  readonly own: Readonly<Record<string, { readonly by: string; readonly notes: readonly string[] }>>;
}

const initial: Ledger = { count: 0, list: [], groups: {}, own: {} };

/** What one step does: each of it is told apart from what others do. */
interface Change {
  readonly add: number;
  readonly pushes: number;
  readonly group: number | undefined;
  readonly hasOwn: boolean;
}

interface Writable {
  count: number;
  list: string[];
  groups: Record<string, number>;
  own: Record<string, { by: string; notes: string[] }>;
}

const change: fc.Arbitrary<Change> = fc.record({
  add: fc.integer({ min: -3, max: 3 }),
  pushes: fc.nat({ max: 3 }),
  group: fc.option(fc.nat({ max: 2 }), { nil: undefined }),
  hasOwn: fc.boolean(),
});

function make(draft: Writable, name: string, { add, pushes, group, hasOwn }: Change): void {
  draft.count += add;
  for (let index = 0; index < pushes; index += 1) draft.list.push(`${name}.${String(index)}`);
  if (group !== undefined) draft.groups[String(group)] = (draft.groups[String(group)] ?? 0) + 1;
  if (hasOwn) draft.own[name] = { by: name, notes: [`of ${name}`] };
}

/** Without what does not matter: the order of those side by side, and groups in which nobody is left. */
function plain(shared: unknown): unknown {
  const { count, list, groups, own } = shared as Ledger;
  const left = Object.entries(groups).filter(([, members]) => members !== 0);
  return { count, list: [...list].sort(), groups: Object.fromEntries(left), own };
}

function made(changes: readonly (readonly [string, Change])[]): unknown {
  const [ledger] = produceWithPatches(initial, (draft) => {
    for (const [name, each] of changes) make(draft, name, each);
  });
  return plain(ledger);
}

function folded(events: readonly RunEvent[]): RunState {
  return events.reduce<RunState>(reduceRun, idleState(events[0]?.runId ?? '', '', []));
}

describe('a shared state', () => {
  it('without the updates of some steps is as if those had never been made', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(change, fc.boolean()), { maxLength: 12 }), (steps) => {
        const runId = 'r';
        let seq = 1;
        let state = reduceRun(idleState(runId, 'flow', []), {
          type: 'run.started',
          runId,
          seq,
          at: 1,
          name: 'flow',
          input: 1,
          plan: [],
          shared: initial,
        });
        steps.forEach(([each], index) => {
          const path = `s${String(index)}`;
          const [, updates] = produceWithPatches(state.shared as Ledger, (draft) => {
            make(draft, path, each);
          });
          const of = { runId, at: 1, path, agent: 'a', attempt: 1 } as const;
          state = reduceRun(state, { ...of, type: 'step.started', seq: (seq += 1) });
          state = reduceRun(state, {
            ...of,
            type: 'step.completed',
            seq: (seq += 1),
            output: 1,
            duration: 0,
            updates,
          });
        });
        const dropped = steps.flatMap(([, isGone], index) => (isGone ? [`s${String(index)}`] : []));
        const after = reduceRun(state, {
          type: 'run.resumed',
          runId,
          seq: seq + 1,
          at: 1,
          life: 2,
          reused: 0,
          dropped,
        });

        const kept = steps.flatMap(([each, isGone], index) =>
          isGone ? [] : [[`s${String(index)}`, each] as const],
        );
        expect(plain(after.shared)).toEqual(made(kept));
        expect(after.sharedInitial).toEqual(initial);
      }),
      { numRuns: CASES * 4 },
    );
  });

  const shape = fc.array(
    fc.record({
      change,
      reads: fc.array(fc.nat(), { maxLength: 2 }),
      fails: fc.nat({ max: 2 }),
      isSlow: fc.boolean(),
      nests: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  );

  it('is the same live, wherever the process dies, of a fork, and folded from its events', async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), async (steps, pick) => {
        const flow = workflow(
          'flow',
          (input: Wire<number>, step) => {
            const wires: Wire<unknown>[] = [];
            steps.forEach(({ change: each, reads, fails, isSlow, nests }, index) => {
              const name = `s${String(index)}`;
              const work = async (_: unknown, context: StepContext<Ledger>): Promise<void> => {
                context.update((draft) => {
                  make(draft, name, each);
                });
                if (nests) {
                  const nested = agent('nested', (_of: unknown, inner: StepContext<Ledger>) => {
                    inner.update((draft) => {
                      (draft as Writable).count += 1;
                    });
                  });
                  await context.call('nested', nested, 1);
                }
                if (isSlow) await turn();
                if (context.attempt <= fails) throw new Error('not yet');
              };
              const before = reads.flatMap((read) => wires[read % Math.max(1, wires.length)] ?? []);
              wires.push(step(name, work, before.length === 0 ? input : before, { retry: 2 }));
            });
            return wires;
          },
          { shared: { initial } },
        );
        const nested = steps.filter(({ nests }) => nests).length;
        const whole = made([
          ...steps.map((each, index) => [`s${String(index)}`, each.change] as const),
          ['n', { add: nested, pushes: 0, group: undefined, hasOwn: false }],
        ]);
        const store = recordingStore(memoryStore());
        const live = await execute(flow, 1, { store, runId: 'r' });
        expect(plain(live.shared)).toEqual(whole);

        const points = [...crashPoints(store, 'r')].slice(0, -1);
        const { store: left } = points[pick % points.length] as (typeof points)[number];
        const resumed = await lastValueFrom(resume(flow, 'r', { store: left }));
        expect(plain(resumed.state.shared)).toEqual(whole);

        const from = `s${String(pick % steps.length)}`;
        const forked = await fork('r', { store, from });
        const again = await lastValueFrom(resume(flow, forked, { store }));
        expect(plain(again.state.shared)).toEqual(whole);

        for (const [where, runId] of [
          [store, 'r'],
          [left, 'r'],
          [store, forked],
        ] as const) {
          const kept = await lastValueFrom(where.events(runId).pipe(toArray()));
          expect(folded(kept.map(({ event }) => event)).shared).toEqual((await where.loadRun(runId))?.shared);
        }
      }),
      { numRuns: Math.ceil(CASES / 2) },
    );
  });

  it('of many steps side by side, some of them tried again, is the same after each event at which the process dies', async () => {
    let calls = 0;
    const work = async (name: string, context: StepContext<Ledger>): Promise<void> => {
      calls += 1;
      context.update((draft) => {
        draft.count += 1;
        draft.list.push(name);
      });
      if (calls % 5 === 0) await turn();
      if (calls % 3 === 0) throw new Error('now and then');
    };
    const names = Array.from({ length: WIDTH }, (_, index) => `s${String(index)}`);
    const flow = workflow(
      'wide',
      (input: Wire<number>, step) =>
        names.map((name) =>
          step(name, (_: number, context) => work(name, context), input, {
            retry: { count: 99, delayMs: 0 },
          }),
        ),
      { shared: { initial } },
    );
    const store = recordingStore(memoryStore());
    const live = await execute(flow, 1, { store, runId: 'r' });
    const whole = { count: WIDTH, list: [...names].sort() };
    expect(plain(live.shared)).toMatchObject(whole);

    for (const { store: left } of crashPoints(store, 'r')) {
      const { state } = await lastValueFrom(resume(flow, 'r', { store: left }));
      expect(plain(state.shared)).toMatchObject(whole);
      const kept = await lastValueFrom(left.events('r').pipe(toArray()));
      expect(folded(kept.map(({ event }) => event)).shared).toEqual(state.shared);
    }
  }, 600_000);
});
