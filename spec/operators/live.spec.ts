import { concatMap, delay, from, lastValueFrom, map, of, scan, toArray } from 'rxjs';

import { agent, chain, each, execute, live, memoryStore, run, settled, workflow } from '../../index';
import { isJournaled } from '../../lib/model/event';
import type { Live, Transition, Wire } from '../../index';
import { marbles } from '../support/marbles';
import { collect } from '../support/told';

const upper = (text: string) => text.toUpperCase();
/** Writes a word every 10 ms. */
const write = agent('write', (topic: string) =>
  from([topic, 'is', 'good']).pipe(concatMap((word) => of(word).pipe(delay(10)))),
);
const speak = agent('speak', (words: Live<string>) => words.pipe(map(upper)), {
  reduce: { fold: (said: string, word: string) => `${said}${word} `, seed: '' },
});
const spoken = workflow('spoken', (topic: Wire<string>, step) => {
  const text = step('write', write, topic);
  return { text, said: step('speak', speak, live(text)) };
});

describe('live()', () => {
  it(
    'gives the first token to the next step before the step that makes it is done',
    marbles(({ scheduler, expectObservable }) => {
      const shown = run(spoken, 'rxjs', { scheduler }).pipe(
        map(({ event }: Transition) => event),
        concatMap((event) => {
          if (event.type === 'step.emitted') return of(event.path === 'speak' ? String(event.value)[0] : '.');
          return event.type === 'run.completed' ? of('E') : [];
        }),
      );
      expectObservable(shown).toBe('10ms (.R) 6ms (.I) 6ms (.GE|)');
    }),
  );

  it('is an output like any other in the end', async () => {
    const { output } = await execute(spoken, 'rxjs');
    expect(output).toEqual({ text: 'good', said: 'RXJS IS GOOD ' });
  });

  it('slows the step down to the pace of who iterates: 5 read, no more than 6 made', async () => {
    let made = 0;
    const endless = agent('endless', async function* (_: unknown) {
      for (;;) yield await new Promise<number>((resolve) => setImmediate(() => resolve((made += 1))));
    });
    let read = 0;
    let madeWhenRead = 0;
    const w = workflow('w', (input: Wire<number>, step) => {
      const numbers = step('numbers', endless, input);
      return step(
        'five',
        async (some) => {
          for await (const each of some) {
            read = each;
            await new Promise((resolve) => setTimeout(resolve, 5));
            if (each === 5) {
              madeWhenRead = made;
              return each;
            }
          }
          return 0;
        },
        live(numbers),
      );
    });
    const seen = collect(run(w, 0));
    while (!seen.told.includes('step.completed five')) await new Promise((resolve) => setTimeout(resolve, 5));
    seen.leave?.();
    expect(read).toBe(5);
    expect(madeWhenRead).toBeLessThanOrEqual(6);
  });

  it('does not stop the step when the reader leaves early', async () => {
    const w = workflow('w', (topic: Wire<string>, step) => {
      const text = step('write', write, topic);
      const first = step(
        'first',
        async (words) => {
          for await (const word of words) return word;
          return '';
        },
        live(text),
      );
      return { text, first };
    });
    expect((await execute(w, 'rxjs')).output).toEqual({ text: 'good', first: 'rxjs' });
  });

  it('gives several readers everything, also one that starts when all is over', async () => {
    const all = (words: Live<string>) => words.pipe(toArray());
    const w = workflow('w', (topic: Wire<string>, step) => {
      const text = step('write', write, topic);
      const one = step('one', all, live(text));
      const late = step('late', ({ words }) => words.pipe(toArray()), { words: live(text), text });
      return [one, late];
    });
    expect((await execute(w, 'rxjs')).output).toEqual([
      ['rxjs', 'is', 'good'],
      ['rxjs', 'is', 'good'],
    ]);
  });

  it('goes over the partial results with each(), every one a durable step', async () => {
    const w = workflow('w', (topic: Wire<string>, step) => {
      const text = step('write', write, topic);
      return step('say', each('say', agent('upper', upper)), live(text));
    });
    const { output, steps } = await execute(w, 'rxjs', { store: memoryStore() });
    expect(output).toEqual(['RXJS', 'IS', 'GOOD']);
    expect(steps.get('say[2]/upper')?.output).toBe('GOOD');
  });

  it('is empty when the step is skipped', async () => {
    const w = workflow('w', (topic: Wire<string>, step) => {
      const text = step('write', write, topic, { when: () => false });
      return step('count', (words) => words.pipe(toArray()), live(text));
    });
    expect((await execute(w, 'rxjs')).output).toEqual([]);
  });

  it('fails when the step fails, after what it gave', async () => {
    const broken = agent('broken', (_: string) =>
      from([1, 2, 3]).pipe(
        map((n) => {
          if (n === 3) throw new Error('no third');
          return n;
        }),
      ),
    );
    const w = workflow('w', (topic: Wire<string>, step) => {
      const numbers = step('numbers', broken, topic);
      const sum = step(
        'sum',
        async (some) => {
          let total = 0;
          try {
            for await (const each of some) total += each;
          } catch (error) {
            return `${String(total)} then ${(error as Error).message}`;
          }
          return '';
        },
        live(numbers),
      );
      return settled({ numbers, sum });
    });
    expect((await execute(w, '')).output).toMatchObject({ sum: { right: '3 then no third' } });
  });

  it('begins the reader anew when the step is called again', async () => {
    let attempts = 0;
    const flaky = agent(
      'flaky',
      (_: string) =>
        from([1, 2, 3]).pipe(
          concatMap((n) => of(n).pipe(delay(2))),
          map((n) => {
            if (n === 3 && attempts++ === 0) throw new Error('once');
            return n + 10 * attempts;
          }),
        ),
      { retry: 1 },
    );
    const w = workflow('w', (topic: Wire<string>, step) => {
      const numbers = step('numbers', flaky, topic);
      const all = step('all', (some) => some.pipe(toArray()), live(numbers));
      const tens = step(
        'tens',
        each(
          'tens',
          agent('ten', (n: number) => n * 10),
        ),
        live(numbers),
      );
      return { all, tens };
    });
    const store = memoryStore();
    const seen = collect(run(w, '', { store, runId: 'r' }));
    while (seen.ended === 'open') await new Promise((resolve) => setTimeout(resolve, 2));
    expect(seen.events.at(-1)).toMatchObject({
      type: 'run.completed',
      output: { all: [11, 12, 23], tens: [110, 120, 230] },
    });
    const [, again] = seen.events.filter((event) => event.type === 'step.started' && event.path === 'all');
    expect(again).toMatchObject({ attempt: 2 });
    expect(seen.events).toContainEqual(
      expect.objectContaining({
        type: 'step.started',
        path: 'tens',
        dropped: ['tens[0]/ten', 'tens[1]/ten'],
      }),
    );
  });

  it('begins the reader anew when the process died while the step ran, whatever the step gives then', async () => {
    let life = 0;
    const numbers = agent('numbers', (_: string) =>
      from([1, 2, 3]).pipe(
        concatMap((n) => of(n).pipe(delay(2))),
        map((n) => n + life * 10),
      ),
    );
    const w = workflow('w', (topic: Wire<string>, step) =>
      step(
        'tens',
        each(
          'tens',
          agent('ten', (n: number) => n * 10),
        ),
        live(step('numbers', numbers, topic)),
      ),
    );
    const first = collect(run(w, '', { store: memoryStore(), runId: 'r' }));
    while (first.ended === 'open') await new Promise((resolve) => setTimeout(resolve, 2));
    const died = first.told.indexOf('step.completed tens[1]/ten');
    const store = memoryStore();
    const claim = await store.claim('r');
    for (const event of first.events.slice(0, died + 1)) if (isJournaled(event)) void claim.append(event);
    void claim.release(() => undefined);
    life = 1;
    expect((await execute(w, '', { store, runId: 'r' })).output).toEqual([110, 120, 130]);
  });

  it('gives a reader that is resumed everything again, without calling the step', async () => {
    const calls = jest.fn((topic: string) => from([topic, 'is', 'good']));
    let failures = 1;
    const w = workflow('w', (topic: Wire<string>, step) => {
      const text = step('write', agent('write', calls), topic);
      return step(
        'all',
        (words) => {
          if (failures-- > 0) throw new Error('not yet');
          return words.pipe(toArray());
        },
        live(text),
      );
    });
    const store = memoryStore();
    const late = chain('late', w);
    const options = { store, runId: 'r' };
    expect((await execute(late, 'rxjs', options)).status).toBe('FAILED');
    expect((await execute(late, 'rxjs', options)).output).toEqual(['rxjs', 'is', 'good']);
    expect((await execute(late, 'rxjs', options)).output).toEqual(['rxjs', 'is', 'good']);
    const table = (await store.loadRun('r'))?.steps;
    expect(table?.get('w/write')?.kept).toEqual(['rxjs', 'is', 'good']);
  });

  it('refuses a partial result that cannot be kept, where somebody reads it', async () => {
    const w = workflow('w', (topic: Wire<string>, step) => {
      const dates = step('dates', (_: string) => of(new Date(0)), topic, { retry: 0 });
      return step('all', (some) => some.pipe(scan((n) => n + 1, 0)), live(dates));
    });
    const { error } = await execute(w, '', { store: memoryStore() });
    expect(error).toMatchObject({ name: 'StateValueError', path: 'dates' });
  });

  it('is refused for what is not the wire of a step', () => {
    expect(() =>
      workflow('w', (topic: Wire<string>, step) => step('all', (some) => some.pipe(toArray()), live(topic))),
    ).toThrow('live() takes the wire of a step');
  });

  it('is found in an input that holds itself, however deep', async () => {
    interface Ring {
      readonly of: unknown;
      self?: Ring;
    }
    const ring: Ring = { of: Array.from({ length: 20_000 }).reduce<unknown>((inner) => [inner], 'deep') };
    ring.self = ring;
    const w = workflow('w', (topic: Wire<string>, step) => {
      const cyclic = step('ring', () => ring, topic);
      return step('said', ({ words }) => words.pipe(map(upper)), {
        words: live(step('write', write, topic)),
        cyclic,
      });
    });

    expect((await execute(w, 'rxjs')).output).toBe('GOOD');
  });

  it('passes by value in a plain pipe too', async () => {
    expect(await lastValueFrom(of('rxjs').pipe(spoken))).toEqual({ text: 'good', said: 'RXJS IS GOOD ' });
  });
});
