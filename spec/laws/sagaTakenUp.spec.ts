import { setTimeout as wait } from 'node:timers/promises';

import { switchMap, tap } from 'rxjs';

import {
  agent,
  chain,
  each,
  execute,
  fallback,
  firstOf,
  loop,
  memoryStore,
  run,
  saga,
  withPolicy,
  workflow,
} from '../../index';
import type { Agent, RunState, Store, Transition, Wire } from '../../index';
import { crashPoints, recordingStore } from '../../testing/index';
import { everyStore } from '../support/everyStore';
import { collect } from '../support/told';
import { everyNth, tally } from '../support/torture';
import { until } from '../support/until';

/** The short form looks at one of so many events. */
const EACH = everyNth(process.env['LAW_CASES'] === undefined ? 11 : 1);

type Any = Agent<unknown, unknown>;

/** A chain of what does not fit together by its types. */
const linked = (name: string, ...links: readonly Agent<never, unknown>[]): Any =>
  chain(name, ...(links as [Any]));

let log: string[] = [];

beforeEach(() => {
  log = [];
});

const bookings = ['b1', 'b2', 'b3'].map((name): Any =>
  agent(
    name,
    (input: unknown) => {
      log.push(name);
      return input;
    },
    {
      compensate: async () => {
        await Promise.resolve();
        log.push(`undo ${name}`);
      },
    },
  ),
);
const [b1, b2, b3] = bookings as [Any, Any, Any];
const pass = agent('pass', (input: unknown) => input);
const refuse = agent('refuse', (): never => {
  throw new Error('declined');
});
/** Waits until it is stopped. */
const late = agent(
  'late',
  (_: unknown, { signal }) =>
    new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    }),
);

const namesOf = ({ steps }: RunState): readonly string[] =>
  [...steps].filter(({ status }) => status === 'COMPLETED').map(({ agent: name }) => name);

/** What is on record as done, and not as undone. */
function standing(state: RunState): readonly string[] {
  const names = namesOf(state);
  return names.filter((name) => /^b\d$/.test(name) && !names.includes(`undo ${name}`));
}

/** How a run stands when both bookings are on record, and its process is killed. */
async function bookedBy(self: Any): Promise<RunState> {
  const hasBooked = (state: RunState): boolean =>
    ['b1', 'b2'].every((name) => standing(state).includes(name));
  const store = recordingStore(memoryStore());
  const stop = new AbortController();
  const stops = tap(({ state }: Transition) => {
    if (hasBooked(state)) stop.abort();
  });
  const life = collect(run(self, 1, { store, runId: 'r', signal: stop.signal }).pipe(stops));
  await until(() => life.ended !== 'open');
  const point = [...crashPoints(store, 'r')].find(({ state }) => hasBooked(state));
  if (point === undefined) throw new Error('has not booked');
  return point.state;
}

/** One life, cancelled when so many of its events have been heard. Tells whether it was so long. */
async function cancelledAt(at: number, self: Any, store: Store): Promise<boolean> {
  const stop = new AbortController();
  let heard = 0;
  await new Promise<void>((resolve) => {
    run(self, 1, { store, runId: 'r', signal: stop.signal }).subscribe({
      next: () => {
        heard += 1;
        if (heard === at + 1) stop.abort();
      },
      error: () => {
        resolve();
      },
      complete: resolve,
    });
  });
  return heard > at;
}

const shapes: Readonly<Record<string, Any>> = {
  'a saga within another one, which has begun to go back': saga('s', saga('t', linked('w', b1, refuse))),
  'sagas within a saga within a saga': saga(
    's',
    linked('w', b1, saga('t', linked('v', b2, saga('u', linked('x', b3, refuse))))),
  ),
  'a saga in a race': firstOf('f', saga('s', linked('w', b1, b2, late)), linked('q', pass, pass, pass)),
  'a saga that a fallback takes up': fallback<unknown, unknown, unknown>(
    'f',
    saga('s', linked('w', b1, refuse)),
    saga('t', linked('v', b2, refuse)),
  ),
  'sagas beside one another': workflow('w', (input: Wire<unknown>, step) => {
    step('a', saga('s', linked('v', b1, pass, refuse)), input);
    return step('b', saga('t', linked('x', b2, late)), input);
  }),
  'the items of a saga': saga(
    's',
    linked(
      'w',
      agent('one', () => [1]),
      each('e', linked('i', b1, b2, refuse)) as unknown as Any,
    ),
  ),
  'the rounds of a saga': saga('s', linked('w', loop('l', b1, { until: () => true, max: 2 }), refuse)),
  'steps of a function': saga(
    's',
    agent('f', (input: unknown, { step }) =>
      step('b', b1, input).pipe(switchMap((one) => step('r', refuse, one))),
    ),
    { dynamic: [b1, refuse] },
  ),
};

describe('a saga that was killed at any event, and whose run is cancelled at any event of the next life', () => {
  it.each(Object.keys(shapes))('has undone once what was done when the run ends: %s', async (name) => {
    const self = shapes[name] as Any;
    const recording = recordingStore(memoryStore());
    await execute(self, 1, { store: recording, runId: 'r', signal: AbortSignal.timeout(10_000) });
    const points = [...crashPoints(recording, 'r')].filter(({ state }) => state.status === 'RUNNING');
    // The one in the middle is always among them.
    const first = Math.floor(points.length / 2) % EACH;
    let histories = 0;
    for (const { state } of points.filter((_, index) => index % EACH === first)) {
      for (let at = 0, isLonger = true; isLonger; at += 1) {
        const store = memoryStore();
        await store.importRun(state);
        log = [];

        isLonger = await cancelledAt(at, self, store);

        histories += 1;
        const left = (await store.loadRun('r')) as RunState;
        const undone = [...namesOf(state), ...log].filter((line) => line.startsWith('undo '));
        const killedAt = state.seq;
        expect({ killedAt, at, is: left.status, standing: standing(left) }).toEqual({
          killedAt,
          at,
          is: expect.stringMatching(/CANCELLED|FAILED|COMPLETED/) as string,
          standing: [],
        });
        expect({ killedAt, at, undone }).toEqual({ killedAt, at, undone: [...new Set(undone)] });
      }
    }
    expect(histories).toBeGreaterThan(5);
    tally('histories of cancelled sagas', histories);
  });
});

describe.each(everyStore)(
  'a saga that waits for room in the life after it has booked (%s)',
  (_where, open) => {
    const quick = linked(
      'q',
      agent('nap', () => wait(20)),
      pass,
    );
    const limited = withPolicy(saga('s', linked('w', b1, b2, late)), { limit: { concurrency: 1 } });
    const around: Readonly<Record<string, Any>> = {
      'it loses a race': firstOf('f', limited, quick),
      'a time limit around it is over': fallback<unknown, unknown, unknown>(
        'f',
        withPolicy(linked('c', limited), { timeoutMs: 30 }),
        pass,
      ),
      'a step beside it fails for good': fallback<unknown, unknown, unknown>(
        'f',
        workflow('w', (input: Wire<unknown>, step) => {
          step('n', linked('r', quick, refuse), input);
          return step('s', limited, input);
        }),
        pass,
      ),
      'a saga beside it goes back': workflow('w', (input: Wire<unknown>, step) => {
        step('n', saga('t', linked('r', b3, quick, refuse)), input);
        return step('s', limited, input);
      }),
      'a race within a race is lost': firstOf('f', firstOf('g', linked('c', limited), late), quick),
      'the run is cancelled': linked('c', limited),
    };

    it.each(Object.keys(around))('is undone when %s', async (name) => {
      const self = around[name] as Any;
      const store = open();
      await store.importRun(await bookedBy(self));
      // Another run has the room meanwhile.
      log = [];
      const stop = new AbortController();
      const holds = execute(limited, 1, { store: memoryStore(), runId: 'h', signal: stop.signal });
      await until(() => log.includes('b2'));
      log = [];

      const cancelling = new AbortController();
      const cancels = tap(({ event }: Transition) => {
        if (event.type === 'run.resumed' && name === 'the run is cancelled')
          setTimeout(() => {
            cancelling.abort();
          }, 20);
      });
      const life = collect(run(self, 1, { store, runId: 'r', signal: cancelling.signal }).pipe(cancels));
      await until(() => life.ended !== 'open');

      const undone = log.filter((line) => /^undo b[12]$/.test(line));
      stop.abort();
      await holds;
      expect(undone).toEqual(['undo b2', 'undo b1']);
      expect(standing(life.transitions.at(-1)!.state)).toEqual([]);
    });
  },
);
