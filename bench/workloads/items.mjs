import { Subject, from, mergeMap, of } from 'rxjs';

import { agent, chain, millrace, run, runEach, follow } from '../millrace.mjs';
import { langgraphRun, mastraRun } from '../peers.mjs';
import { drain, observed, watched } from '../rx.mjs';

const next = async ({ n }) => ({ n: n + 1 });
const names = ['a', 'b', 'c'];
const CONCURRENCY = 16;

// Asynchronous, as items come in life. From an array, RxJS's mergeMap moves all that waits for each item it takes: 40 us.
async function* inputs(count) {
  for (let n = 0; n < count; n += 1) yield { n };
}

/** Items through three steps, at most 16 at once. */
function itemsOf(count) {
  const work = (go, units = count) => ({
    units,
    run: async () => {
      const seen = await go(units);
      if (seen !== units) throw new Error(`${seen} of ${units} items came out`);
    },
  });
  const three = () => chain('three', ...names.map((name) => agent(name, next)));
  const counted = (stream$, isItem = () => true) => {
    let seen = 0;
    return new Promise((resolve, reject) => {
      stream$.subscribe({
        next: (item) => (seen += isItem(item) ? 1 : 0),
        error: reject,
        complete: () => resolve(seen),
      });
    });
  };
  const ofRuns = (readsState) => () => {
    const self = three();
    const isItem = (transition) =>
      transition.event.type === 'run.completed' && (!readsState || transition.state.status === 'COMPLETED');
    const reading = (transition) => {
      if (readsState && transition.state.runId !== transition.event.runId)
        throw new Error('state of another run');
      return isItem(transition);
    };
    return work((units) =>
      counted(from(inputs(units)).pipe(runEach(self, { concurrency: CONCURRENCY })), reading),
    );
  };
  /** For peers without streams: sixteen who take the next item when they are done. */
  const taken = (go) => async (units) => {
    const items = inputs(units);
    let seen = 0;
    const take = async () => {
      for (let item = await items.next(); item.done !== true; item = await items.next()) {
        await go(item.value);
        seen += 1;
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, take));
    return seen;
  };
  return {
    promises: () => work(taken(async (item) => next(await next(await next(item))))),
    rxjs: () =>
      work((units) =>
        counted(
          from(inputs(units)).pipe(
            mergeMap((item) => of(item).pipe(...names.map(() => mergeMap(next))), CONCURRENCY),
          ),
        ),
      ),
    'rxjs-ev': () => {
      const events = watched(new Subject());
      const operators = names.map((name) => observed(events, name, next));
      return work((units) =>
        counted(from(inputs(units)).pipe(mergeMap((item) => of(item).pipe(...operators), CONCURRENCY))),
      );
    },
    millrace: ofRuns(false),
    'millrace +state': ofRuns(true),
    ...(millrace.each !== undefined && {
      'millrace each': () => {
        const self = millrace.each('items', three(), { concurrency: CONCURRENCY });
        return work(async (units) => (await follow(run(self, inputs(units)))).length);
      },
    }),
    'millrace pipe': () => {
      const agents = names.map((name) => agent(name, next));
      return work((units) => counted(from(inputs(units)).pipe(...agents)));
    },
    effect: async () => {
      const { Effect, Stream } = await import('effect');
      const one = (item) =>
        names.reduce(
          (before) => Effect.flatMap(before, (value) => Effect.promise(() => next(value))),
          Effect.succeed(item),
        );
      return work((units) =>
        Effect.runPromise(
          Stream.fromAsyncIterable(inputs(units), String).pipe(
            Stream.mapEffect(one, { concurrency: CONCURRENCY }),
            Stream.runFold(
              () => 0,
              (seen) => seen + 1,
            ),
          ),
        ),
      );
    },
    mastra: async () =>
      work(
        taken(
          await mastraRun(
            (build, makeStep) => names.reduce((flow, name) => flow.then(makeStep(name, next)), build()),
            {},
          ),
        ),
        count / 100,
      ),
    langgraph: async () => {
      const go = await langgraphRun(
        (graph, START, END) => {
          for (const name of names) graph.addNode(name, next);
          graph.addEdge(START, 'a').addEdge('a', 'b').addEdge('b', 'c').addEdge('c', END);
        },
        {},
        3,
      );
      return work(taken(go), count / 100);
    },
  };
}

export const workloads = [
  { id: 'W4', title: '100,000 items through 3 steps, 16 at once', unit: 'item', variants: itemsOf(100_000) },
  ...[10, 100, 1_000, 10_000, 100_000].map((size) => {
    const { promises, 'millrace each': each } = itemsOf(size);
    const variants = { promises, 'millrace each': each };
    return {
      id: `W8-each-${size}`,
      title: `each over ${size.toLocaleString('en')} items`,
      unit: 'item',
      totalUnits: 300_000,
      baseline: 'promises',
      variants,
    };
  }),
];
