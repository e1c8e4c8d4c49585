import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import * as t from 'io-ts';
import { asyncScheduler, lastValueFrom, of, takeUntil, timer, toArray } from 'rxjs';

import { pick } from '../../../lib/definition/wire';
import type { Agent, StepContext } from '../../../lib/model/agentType';
import type { RunSettings } from '../../../lib/engine/runOptions';
import type { Store } from '../../../lib/store/store';
import { lowdbStore } from '../../../lib/store/folder/lowdbStore';
import { agent } from '../../../operators/agents/agent';
import { approval } from '../../../operators/agents/approval';
import { branch } from '../../../operators/agents/branch';
import { chain } from '../../../operators/agents/chain';
import { each } from '../../../operators/agents/each';
import { loop } from '../../../operators/agents/loop';
import { saga } from '../../../operators/agents/saga';
import { sleep } from '../../../operators/agents/sleep';
import { withPolicy } from '../../../operators/agents/withPolicy';
import { workflow } from '../../../operators/agents/workflow';
import { answer } from '../../../operators/runs/answer';
import { cancel } from '../../../operators/runs/cancel';
import { run } from '../../../operators/runs/run';
import { signal } from '../../../operators/runs/signal';
import { submit } from '../../../operators/runs/submit';

/** What TypeScript would refuse, and what it lets pass. */
const odd: Readonly<Record<string, () => unknown>> = {
  NaN: () => NaN,
  Infinity: () => Infinity,
  '-Infinity': () => -Infinity,
  '-0': () => -0,
  'a half': () => 0.5,
  'the largest number': () => Number.MAX_VALUE,
  'a moment beyond all dates': () => 8.65e15,
  undefined: () => undefined,
  null: () => null,
  'a number': () => 5,
  'no text': () => '',
  'a lone surrogate': () => '\ud800',
  'a huge text': () => 'x'.repeat(70_000),
  'a toJSON': () => ({ toJSON: () => 5 }),
  'a toJSON that gives nothing': () => ({ toJSON: () => undefined }),
  'a getter that throws': () => ({
    get a(): never {
      throw new Error('no');
    },
  }),
  'a date': () => new Date(0),
  'a boxed text': () => new String('ab'),
  'a bigint': () => 1n,
  'a symbol': () => Symbol('s'),
  'a function': () => () => 1,
  'a __proto__': () => JSON.parse('{"__proto__":{"a":1}}') as unknown,
  'a hole': () => [1, , 2], // eslint-disable-line no-sparse-arrays -- an odd value
  'a cycle': () => {
    const round: unknown[] = [];
    round.push(round);
    return round;
  },
};

type Odd = never;
type Work = (value: Odd, store: Store) => unknown;

const plain = agent('plain', (input: unknown) => input);
const failing = (): never => {
  throw new Error('no');
};

/** What sleeps for ever is left. */
const LONGEST_MS = 500;

async function ended(of: Agent<never, unknown>, store: Store, settings: object = {}): Promise<void> {
  const options = { runId: 'r', store, ...settings } as RunSettings & { store: Store };
  await lastValueFrom(run(of, 1 as never, options).pipe(takeUntil(timer(LONGEST_MS)), toArray()), {
    defaultValue: [],
  });
}

const doing = (work: (context: StepContext<unknown, unknown>) => unknown) =>
  agent('work', (_: unknown, context: StepContext) => work(context as never));

/** Everywhere where values of the user get in. */
const places: Readonly<Record<string, Work>> = {
  runId: (runId, store) => ended(plain, store, { runId }),
  newRunId: (id, store) => ended(plain, store, { runId: undefined, newRunId: () => id }),
  tags: (tags, store) => ended(plain, store, { tags }),
  'a tag': (tag, store) => ended(plain, store, { tags: { a: tag } }),
  maxCrashes: (maxCrashes, store) => ended(plain, store, { maxCrashes }),
  recordInputs: (recordInputs, store) => ended(plain, store, { recordInputs }),
  'a clock': (now, store) =>
    ended(plain, store, {
      scheduler: { now: () => now, schedule: asyncScheduler.schedule.bind(asyncScheduler) },
    }),
  'why it is aborted': (reason, store) => {
    const aborting = new AbortController();
    return ended(
      doing(() => {
        aborting.abort(reason);
      }),
      store,
      { signal: aborting.signal },
    );
  },
  'the input': (input, store) => ended(chain('c', pickOf(input), plain), store, { recordInputs: true }),
  'an output': (output, store) =>
    ended(
      doing(() => output),
      store,
    ),
  'a partial result': (value, store) =>
    ended(
      doing(({ emit }) => {
        emit(value);
      }),
      store,
    ),
  'used tokens': (tokens, store) => ended(chain('c', using({ tokens }), using({ tokens })), store),
  'used dollars': (usd, store) => ended(chain('c', using({ usd }), using({ usd })), store),
  'summed tokens': (inputTokens, store) => ended(using({ inputTokens, outputTokens: inputTokens }), store),
  'what is used': (usage, store) => ended(using(usage), store),
  'a level': (level, store) =>
    ended(
      doing(({ log }) => {
        log(level, 'm');
      }),
      store,
    ),
  'a message': (message, store) =>
    ended(
      doing(({ log }) => {
        log('INFO', message);
      }),
      store,
    ),
  'data of a log': (data, store) =>
    ended(
      doing(({ log }) => {
        log('INFO', 'm', data);
      }),
      store,
    ),
  'a value in data of a log': (a, store) =>
    ended(
      doing(({ log }) => {
        log('INFO', 'm', () => ({ a }));
      }),
      store,
    ),
  'what is thrown': (thrown, store) =>
    ended(
      doing(() => {
        throw thrown as Error;
      }),
      store,
    ),
  ...Object.fromEntries(
    [
      'name',
      'message',
      'code',
      'status',
      'retryAfterMs',
      'cause',
      'errors',
      'stack',
      'path',
      'retryable',
    ].map((field): [string, Work] => [
      `${field} of an error`,
      (value, store) =>
        ended(
          doing(() => {
            throw Object.defineProperty(new Error('m'), field, { value, enumerable: true });
          }),
          store,
        ),
    ]),
  ),
  delayMs: (delayMs, store) => ended(agent('work', failing, { retry: { count: 1, delayMs } }), store),
  'what delayMs gives': (ms, store) =>
    ended(agent('work', failing, { retry: { count: 1, delayMs: () => ms } }), store),
  'what retryIf gives': (is, store) =>
    ended(agent('work', failing, { retry: { count: 1, retryIf: () => is } }), store),
  maxMs: (maxMs, store) => ended(agent('work', failing, { retry: { count: 1, maxMs } }), store),
  'a key of a limit': (key, store) =>
    ended(
      saga(
        's',
        agent('work', (n: unknown) => n, {
          limit: { concurrency: 1, key: () => key },
          compensate: () => undefined,
        }),
      ),
      store,
    ),
  'a key of the cache': (key, store) =>
    ended(
      agent('work', (n: unknown) => n, { cache: { key: () => key } }),
      store,
    ),
  ttlMs: (ttlMs, store) =>
    ended(
      agent('work', (n: unknown) => n, { cache: { ttlMs } }),
      store,
    ),
  'a key of a circuit': (key, store) =>
    ended(agent('work', failing, { circuit: { failures: 1, key: () => key } }), store),
  'a name': (name, store) =>
    ended(
      agent(name, (n: unknown) => n),
      store,
    ),
  version: (version, store) =>
    ended(
      agent('work', (n: unknown) => n, { version }),
      store,
    ),
  critical: (critical, store) =>
    ended(
      agent('work', (n: unknown) => n, { critical }),
      store,
    ),
  'an id of a nested step': (id, store) =>
    ended(
      doing((context) => context.step(id, plain, 1)),
      store,
    ),
  'an input of a nested step': (input, store) =>
    ended(
      doing((context) => context.step('a', plain, input)),
      store,
      { recordInputs: true },
    ),
  'what select gives': (id, store) =>
    ended(
      branch('b', () => id, { a: plain }),
      store,
    ),
  'what until gives': (is, store) => ended(loop('l', plain, { until: () => is, max: 2 }), store),
  'a key of an item': (key, store) =>
    ended(chain('c', doing(() => [1]) as never, each('e', plain, { key: () => key }) as never), store),
  'how long it sleeps': (ms, store) => ended(sleep('s', ms), store),
  'what sleep is given': (ms, store) =>
    ended(
      sleep('s', () => ms),
      store,
    ),
  'a time limit of an approval': (timeoutMs, store) => ended(approval('q', t.unknown, { timeoutMs }), store),
  'a time limit of a chain': (timeoutMs, store) =>
    ended(withPolicy(chain('c', plain, approval('q', t.unknown)), { timeoutMs }), store),
  'what is asked': (request, store) =>
    ended(
      workflow('w', (input, step) =>
        step(
          'q',
          approval('q', t.unknown),
          pick(step('a', plain, input), () => request),
        ),
      ),
      store,
    ),
  'an answer': async (value, store) => {
    await ended(approval('q', t.unknown), store);
    await answer('r', 'q', value, { store });
    await ended(approval('q', t.unknown), store);
  },
  'why it is cancelled': async (reason, store) => {
    await ended(approval('q', t.unknown), store);
    await cancel('r', { store, reason });
    await ended(approval('q', t.unknown), store);
  },
  'what when gives': (is, store) =>
    ended(
      workflow('w', (input, step) => step('a', plain, input, { when: () => is })),
      store,
    ),
  otherwise: (otherwise, store) =>
    ended(
      workflow('w', (input, step) =>
        step('b', plain, step('a', plain, input, { when: () => false, otherwise })),
      ),
      store,
      { recordInputs: true },
    ),
  'what is shared': (initial, store) =>
    ended(
      sharing({ initial }, () => undefined),
      store,
    ),
  'what is made of what is shared': (a, store) =>
    ended(
      sharing({ initial: {} }, ({ update }) => {
        (update as (recipe: (draft: { a: unknown }) => void) => void)((draft) => {
          draft.a = a;
        });
      }),
      store,
    ),
  'a fold': (value, store) =>
    ended(
      agent('work', () => of(1), { reduce: { fold: () => value, seed: 0 } }),
      store,
    ),
  'a name of a signal': (name, store) => signal(name, 1, { store, ttlMs: 1_000 }),
  'a signal': (value, store) => signal('s', value, { store, ttlMs: 1_000 }),
  'how long a signal lasts': (ttlMs, store) => signal('s', 1, { store, ttlMs }),
  'a queued input': (input, store) => submit(plain, input, { store, runId: 'q' }),
  'a priority': (priority, store) => submit(plain, 1, { store, runId: 'q', priority }),
  'a delay of a queued run': (delayMs, store) => submit(plain, 1, { store, runId: 'q', delayMs }),
  'tags of a queued run': (tags, store) => submit(plain, 1, { store, runId: 'q', tags }),
  'a name of a snapshot': async (name, store) => {
    await ended(plain, store);
    await store.snapshots.save(typeof name === 'symbol' ? '' : name, (await store.loadRun('r')) ?? {});
  },
  'metadata of a snapshot': async (metadata, store) => {
    await ended(plain, store);
    await store.snapshots.save('s', (await store.loadRun('r')) ?? {}, metadata);
  },
};

function pickOf(value: unknown) {
  return workflow('given', (input, step) => pick(step('a', plain, input), () => value));
}

function using(usage: unknown) {
  return agent('use', () => ({ usage }));
}

function sharing(shared: object, work: (context: StepContext) => unknown) {
  return workflow(
    'w',
    (input, step) =>
      step(
        'a',
        doing((context) => work(context as never)),
        input,
      ),
    { shared: shared as { initial: unknown } },
  );
}

/** Whether nobody can tell from the error what was wrong. */
function isUnnamed(error: unknown): boolean {
  return error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
}

/** Gives the value, closes the folder, and reads all that is in it. */
async function reads(place: string, value: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-odd-'));
  const store = lowdbStore(folder, { durability: 'process', events: 'all' });
  const again = lowdbStore(folder, { durability: 'process', events: 'all' });
  try {
    try {
      await (places[place] as Work)((odd[value] as () => unknown)() as never, store);
    } catch (error) {
      if (isUnnamed(error)) throw error;
    }
    await store.close();
    for (const { runId } of await again.listRuns()) {
      await again.loadRun(runId);
      await lastValueFrom(again.events(runId).pipe(toArray()), { defaultValue: [] });
    }
    await again.deleteRun('none');
  } finally {
    await store.close();
    await again.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('a folder that odd values were given to', () => {
  it.each([
    ['tags', 'a date'],
    ['tags', 'a boxed text'],
    ['used tokens', 'the largest number'],
    ['used dollars', 'the largest number'],
    ['summed tokens', 'the largest number'],
    ['data of a log', 'a __proto__'],
    ['a value in data of a log', 'a __proto__'],
    ['an input of a nested step', 'a __proto__'],
    ['errors of an error', 'a hole'],
    ['a key of a limit', 'a number'],
    ['a key of a limit', 'a bigint'],
    ['a key of a limit', 'a cycle'],
    ['how long a signal lasts', 'a symbol'],
    ['a delay of a queued run', 'a bigint'],
  ])('can be read when %s is %s', async (place, value) => {
    await expect(reads(place, value)).resolves.toBeUndefined();
  });

  it('can be read whatever is given where, or refuses that by name', async () => {
    const pair = fc.record({
      place: fc.constantFrom(...Object.keys(places)),
      value: fc.constantFrom(...Object.keys(odd)),
    });

    await fc.assert(
      fc.asyncProperty(pair, async ({ place, value }) => {
        await reads(place, value);
      }),
      { numRuns: 60 },
    );
  }, 300_000);
});
