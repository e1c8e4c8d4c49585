import { lastValueFrom } from 'rxjs';

import { restateEngine } from '../../adapters/restate';
import { agent, answer, everyStep, restore, resumable, run, saveTo, serve, submit } from '../../index';

// Nobody listens on port 1: what is refused is refused before anybody is asked.
const engine = restateEngine({ ingress: 'http://127.0.0.1:1', admin: 'http://127.0.0.1:1', patienceMs: 100 });
const same = agent('same', (value: number) => value);
/** As a program without types calls it. */
const untyped = engine as unknown as Record<string, (argument?: unknown) => unknown>;
const any = (value: unknown): never => value as never;

describe('what an engine does not have', () => {
  it.each<readonly [name: string, ask: () => unknown, named: string, next: RegExp]>([
    ['changes of runs', () => untyped['changes']?.(), 'how runs change', /listRuns/],
    ['pruning', () => untyped['prune']?.({ keep: 1 }), 'forget runs', /retentionMs/],
    ['requests', () => untyped['request']?.({ kind: 'resume', runId: 'r' }), 'whoever serves', /resume\(\)/],
    [
      'events of lives to come',
      () => lastValueFrom(engine.events('r', { agent: same, live: true })),
      'lives to come',
      /"live"/,
    ],
    ['lists by tags', () => engine.listRuns({ tags: { customer: '42' } }), '"tags"', /"tags"/],
    ['lists by what is due', () => engine.listRuns({ dueBefore: 1 }), '"dueBefore"', /"dueBefore"/],
    ['tags', () => run(same, 1, { engine, tags: { customer: '42' } }), '"tags"', /"tags"/],
    [
      'recorded inputs',
      () => run(same, 1, { engine, recordInputs: true }),
      '"recordInputs"',
      /"recordInputs"/,
    ],
    [
      'a limit of crashes',
      () => run(same, 1, any({ engine, maxCrashes: 3 })),
      '"maxCrashes"',
      /"maxCrashes"/,
    ],
    ['priorities', () => submit(same, 1, { engine, priority: 1 }), '"priority"', /"priority"/],
    ['a longest backlog', () => submit(same, 1, { engine, maxBacklog: 1 }), '"maxBacklog"', /"maxBacklog"/],
    ['snapshots to restore', () => restore('s', any({ engine })), 'no snapshots', /store, engine/],
    ['snapshots to save', () => saveTo(everyStep(), any({ engine })), 'keep none', /\{ store \}/],
    ['serving', () => serve([same], any({ engine })), 'by itself', /serveRestate/],
    ['to be a store', () => run(same, 1, { store: any(engine) }), 'no store', /\{ engine \}/],
    [
      'to be a store that is answered',
      () => answer('r', 'ask', 1, { store: any(engine) }),
      'no store',
      /\{ engine \}/,
    ],
    ['to be a list', () => resumable(any({ engine })), 'a store is needed', /resumable/],
  ])('is refused by name, with what to do: %s', async (_what, ask, named, next) => {
    await expect((async () => ask())()).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(named) as string,
      next: expect.stringMatching(next) as string,
    });
  });
});
