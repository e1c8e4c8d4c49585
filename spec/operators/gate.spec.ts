import { agent, memoryStore, run, workflow } from '../../index';
import type { RunEvent, Store, Wire } from '../../index';
import { random } from '../lib/store/support/random';

interface Held {
  readonly event: RunEvent;
  readonly release: () => void;
}

/** A memory store that says what was appended is durable only when it is told to. */
function gated(): { readonly store: Store; readonly held: Held[] } {
  const inner = memoryStore();
  const held: Held[] = [];
  const store: Store = {
    ...inner,
    async claim(runId) {
      const claim = await inner.claim(runId);
      return {
        ...claim,
        append: (event) => {
          void claim.append(event);
          return new Promise((resolve) => held.push({ event, release: resolve }));
        },
      };
    },
  };
  return { store, held };
}

const reads: Readonly<Record<string, readonly string[]>> = {
  a: [],
  b: [],
  fromA: ['a'],
  fromB: ['b'],
  both: ['fromA', 'fromB'],
};

describe('a run whose store holds every append (promises test 10)', () => {
  it.each([1, 2, 3, 4, 5])(
    'starts no dependant and emits no event before the release, order %i',
    async (seed) => {
      const draw = random(seed);
      const { store, held } = gated();
      const calls: string[] = [];
      const add = (name: string) =>
        agent(
          name,
          (values: readonly number[]) => {
            calls.push(name);
            if (name === 'fromA' && calls.filter((each) => each === name).length === 1)
              throw new Error('once');
            return values.reduce((sum, value) => sum + value, 1);
          },
          { retry: 1 },
        );
      const dag = workflow('gate', (input: Wire<number>, step) => {
        const a = step('a', add('a'), [input]);
        const b = step('b', add('b'), [input]);
        const fromA = step('fromA', add('fromA'), [a]);
        const fromB = step('fromB', add('fromB'), [b]);
        return step('both', add('both'), [fromA, fromB]);
      });
      const emitted: RunEvent[] = [];
      const released = new Set<number>();
      const appended = new Set<number>();
      const ended = jest.fn();
      run(dag, 1, { store, runId: 'r' }).subscribe({
        next: ({ event }) => emitted.push(event),
        complete: ended,
      });

      for (let turn = 0; turn < 200 && ended.mock.calls.length === 0; turn += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        for (const { event } of held) appended.add(event.seq);
        // Nothing that waits for its release has been emitted, nor anything after the run's end.
        for (const event of emitted)
          if (appended.has(event.seq) && event.type !== 'step.logged') expect(released).toContain(event.seq);
        const acknowledged = emitted.flatMap((event) =>
          event.type === 'step.completed' ? [event.path] : [],
        );
        for (const name of calls) for (const read of reads[name]!) expect(acknowledged).toContain(read);
        // Sometimes one is let go, sometimes several, sometimes nothing happens for a turn.
        for (let count = Math.floor(draw() * 3); count > 0; count -= 1) {
          const next = held.shift();
          if (next === undefined) break;
          released.add(next.event.seq);
          next.release();
        }
      }

      expect(ended).toHaveBeenCalled();
      expect(emitted.at(-1)?.type).toBe('run.completed');
      expect([...calls].sort()).toEqual(['a', 'b', 'both', 'fromA', 'fromA', 'fromB']);
      expect(appended.size).toBeGreaterThanOrEqual(7);
    },
  );

  it('emits nothing at all, and calls nobody, while nothing is released', async () => {
    const { store, held } = gated();
    const work = jest.fn((x: number) => x);
    const emitted: RunEvent[] = [];
    const life = run(agent('work', work), 1, { store, runId: 'r' }).subscribe(({ event }) =>
      emitted.push(event),
    );
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));

    expect(held.map(({ event }) => event.type)).toContain('run.started');
    expect(emitted).toEqual([]);
    life.unsubscribe();
  });
});
