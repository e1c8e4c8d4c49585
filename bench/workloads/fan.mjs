import { Subject, forkJoin, mergeMap, of, range as range$, shareReplay, toArray } from 'rxjs';

import { agent, follow, memoryStore, run, workflow } from '../millrace.mjs';
import { langgraphRun, mastraRun } from '../peers.mjs';
import { call, drain, observed, watched } from '../rx.mjs';

const first = async ({ n }) => ({ n: n + 1 });
const branch = async ({ n }) => ({ n: n + 1 });
const sum = (parts) => ({ n: parts.reduce((total, { n }) => total + n, 0) });
const join = async (parts) => sum(parts);
const input = { n: 0 };
const range = (count) => Array.from({ length: count }, (_, position) => position);

/** One step, `width` branches at once, one step that takes them all. */
function fanOf(width) {
  const check = (output) => {
    if (output?.n !== 2 * width) throw new Error(`got ${JSON.stringify(output)}`);
  };
  const work = (go) => ({ units: width, run: async () => check(await go()) });
  const wired = () =>
    workflow('fan', (value, step) => {
      const begun = step('first', agent('first', first), value);
      const each = agent('branch', branch);
      return step(
        'join',
        agent('join', join),
        range(width).map((id) => step(`b${id}`, each, begun)),
      );
    });
  return {
    promises: () =>
      work(async () => {
        const begun = await first(input);
        return join(await Promise.all(range(width).map(() => branch(begun))));
      }),
    rxjs: () => {
      const stream$ = of(input).pipe(
        mergeMap(first),
        mergeMap((begun) =>
          range$(0, width).pipe(
            mergeMap(() => branch(begun)),
            toArray(),
          ),
        ),
        mergeMap(join),
      );
      return work(() => drain(stream$));
    },
    'rxjs-ev': () => {
      const events = watched(new Subject());
      const stream$ = of(input).pipe(
        observed(events, 'first', first),
        mergeMap((begun) =>
          range$(0, width).pipe(
            mergeMap((id) => call(events, `b${id}`, branch, begun)),
            toArray(),
          ),
        ),
        observed(events, 'join', join),
      );
      return work(() => drain(stream$));
    },
    ...millraceVariants(wired, work),
    effect: async () => {
      const { Effect } = await import('effect');
      const program = Effect.gen(function* () {
        const begun = yield* Effect.promise(() => first(input));
        const parts = yield* Effect.forEach(range(width), () => Effect.promise(() => branch(begun)), {
          concurrency: 'unbounded',
        });
        return yield* Effect.promise(() => join(parts));
      });
      return work(() => Effect.runPromise(program));
    },
    mastra: async () => {
      const define = (build, makeStep) =>
        build()
          .then(makeStep('first', first))
          .parallel(range(width).map((id) => makeStep(`b${id}`, branch)))
          .then(makeStep('join', (parts) => join(Object.values(parts))));
      return work(await mastraRun(define, input));
    },
    langgraph: async () => {
      const define = (graph, START, END) => {
        const names = range(width).map((id) => `b${id}`);
        graph.addNode('first', async (state) => ({ n: (await first(state)).n }));
        graph.addEdge(START, 'first');
        for (const name of names)
          graph.addNode(name, async (state) => ({ parts: [await branch(state)] })).addEdge('first', name);
        graph.addNode('join', async ({ parts }) => join(parts));
        graph.addEdge(names, 'join');
        graph.addEdge('join', END);
      };
      return work(await langgraphRun(define, input, width, channels));
    },
  };
}

const channels = (Annotation) => ({
  n: Annotation(),
  parts: Annotation({ reducer: (left, right) => left.concat(right), default: () => [] }),
});

/** The same layered DAG for everybody: each node reads three of the layer before (seed 42). */
function layeredOf(layers, width) {
  const random = mulberry32(42);
  const nodes = [];
  for (let layer = 0; layer < layers; layer += 1) {
    for (let position = 0; position < width; position += 1) {
      const parents = new Set();
      while (layer > 0 && parents.size < Math.min(3, width)) {
        parents.add((layer - 1) * width + Math.floor(random() * width));
      }
      nodes.push({ id: `n${layer}_${position}`, parents: [...parents] });
    }
  }
  const last = range(width).map((position) => (layers - 1) * width + position);
  const node = async (parts) => ({ n: parts.reduce((total, { n }) => (total + n) % 1_000_003, 1) });
  let expected;
  const reference = async () => {
    const results = [];
    for (const { parents } of nodes) {
      results.push(
        Promise.all(parents.map((parent) => results[parent])).then((parts) =>
          node(parts.length === 0 ? [input] : parts),
        ),
      );
    }
    return join(await Promise.all(last.map((parent) => results[parent])));
  };
  const work = (go) => ({
    units: nodes.length,
    run: async () => {
      expected ??= (await reference()).n;
      const output = await go();
      if (output?.n !== expected) throw new Error(`expected ${expected}, got ${JSON.stringify(output)}`);
    },
  });
  const wired = () =>
    workflow('layers', (value, step) => {
      const self = agent('node', node);
      const wires = [];
      for (const { id, parents } of nodes) {
        wires.push(step(id, self, parents.length === 0 ? [value] : parents.map((parent) => wires[parent])));
      }
      return step(
        'join',
        agent('join', join),
        last.map((parent) => wires[parent]),
      );
    });
  const joined = (operator) => () => {
    const streams = [];
    for (const { id, parents } of nodes) {
      const parts$ = parents.length === 0 ? of([input]) : forkJoin(parents.map((parent) => streams[parent]));
      streams.push(parts$.pipe(operator(id), shareReplay(1)));
    }
    return forkJoin(last.map((parent) => streams[parent])).pipe(mergeMap(join));
  };
  return {
    promises: () => work(reference),
    rxjs: () => {
      // A shared stream keeps its value, so each run builds the graph anew.
      const build = joined(() => mergeMap(node));
      return work(() => drain(build()));
    },
    'rxjs-ev': () => {
      const events = watched(new Subject());
      const build = joined((id) => observed(events, id, node));
      return work(() => drain(build()));
    },
    ...millraceVariants(wired, work),
    effect: async () => {
      const { Effect, Fiber } = await import('effect');
      const program = Effect.gen(function* () {
        const fibers = [];
        for (const { parents } of nodes) {
          const parts =
            parents.length === 0
              ? Effect.succeed([input])
              : Fiber.joinAll(parents.map((parent) => fibers[parent]));
          fibers.push(
            yield* Effect.forkChild(Effect.flatMap(parts, (values) => Effect.promise(() => node(values)))),
          );
        }
        const parts = yield* Fiber.joinAll(last.map((parent) => fibers[parent]));
        return yield* Effect.promise(() => join(parts));
      });
      return work(() => Effect.runPromise(program));
    },
    // Layers with a barrier behind each: Mastra has no graphs.
    mastra: async () => {
      const define = (build, makeStep) => {
        let flow = build();
        for (let layer = 0; layer < layers; layer += 1) {
          const row = nodes.slice(layer * width, (layer + 1) * width);
          flow = flow.parallel(
            row.map(({ id, parents }) =>
              makeStep(id, (values) =>
                node(layer === 0 ? [values] : parents.map((parent) => values[nodes[parent].id])),
              ),
            ),
          );
        }
        return flow.then(makeStep('join', (values) => join(Object.values(values))));
      };
      return work(await mastraRun(define, input));
    },
    langgraph: async () => {
      const define = (graph, START, END) => {
        for (const { id, parents } of nodes) {
          graph.addNode(id, async ({ values }) => ({
            values: {
              [id]: await node(
                parents.length === 0 ? [input] : parents.map((parent) => values[nodes[parent].id]),
              ),
            },
          }));
          if (parents.length === 0) graph.addEdge(START, id);
          else
            graph.addEdge(
              parents.map((parent) => nodes[parent].id),
              id,
            );
        }
        const ends = last.map((parent) => nodes[parent].id);
        graph.addNode('join', async ({ values }) => join(ends.map((id) => values[id])));
        graph.addEdge(ends, 'join');
        graph.addEdge('join', END);
      };
      const named = (Annotation) => ({
        n: Annotation(),
        values: Annotation({ reducer: (left, right) => Object.assign(left, right), default: () => ({}) }),
      });
      return work(await langgraphRun(define, { ...input }, nodes.length, named));
    },
  };
}

function millraceVariants(wired, work) {
  return {
    millrace: () => {
      const self = wired();
      return work(() => follow(run(self, input)));
    },
    'millrace +state': () => {
      const self = wired();
      return work(() => follow(run(self, input), true));
    },
    'millrace memoryStore': () => {
      const self = wired();
      return work(() => follow(run(self, input, { store: memoryStore(), runId: 'r' })));
    },
  };
}

function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const only = (variants, names) => Object.fromEntries(names.map((name) => [name, variants[name]]));
const grown = ['promises', 'rxjs-ev', 'millrace', 'millrace +state'];

export const workloads = [
  { id: 'W2', title: 'fan-out 1 -> 1,000 -> 1', unit: 'branch', variants: fanOf(1_000) },
  { id: 'W3', title: 'layered DAG 20 x 50, 3 parents each', unit: 'step', variants: layeredOf(20, 50) },
  ...[10, 100, 1_000, 10_000, 100_000].map((size) => ({
    id: `W8-fan-${size}`,
    title: `fan-out of ${size.toLocaleString('en')} branches`,
    unit: 'branch',
    totalUnits: 300_000,
    once: ['rxjs-ev', 'millrace +state'],
    variants: only(fanOf(size), grown),
  })),
  ...[10, 100, 1_000, 10_000, 100_000].map((size) => ({
    id: `W8-dag-${size}`,
    title: `layered DAG of ${size.toLocaleString('en')} steps`,
    unit: 'step',
    totalUnits: 300_000,
    once: ['rxjs-ev', 'millrace +state'],
    // As wide as deep, as far as that goes: 50 is the width of W3.
    variants: only(layeredOf(size / Math.min(50, size / 5), Math.min(50, size / 5)), grown),
  })),
];
