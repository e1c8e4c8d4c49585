import { Subject, from, last, mergeMap, mergeScan, of } from 'rxjs';

import { agent, chain, follow, memoryStore, run } from '../millrace.mjs';
import { langgraphRun, llamaindexChain, mastraRun, xstateChain } from '../peers.mjs';
import { drain, observed, watched } from '../rx.mjs';

const next = async ({ n }) => ({ n: n + 1 });
/** As real agents do: the answer comes in a later turn of the event loop. */
const nextTurn = ({ n }) => new Promise((resolve) => setImmediate(() => resolve({ n: n + 1 })));

const ids = (length) => Array.from({ length }, (_, position) => `s${position}`);
const check = (length, output) => {
  if (output?.n !== length) throw new Error(`expected ${length}, got ${JSON.stringify(output)}`);
};

/** A chain of `length` steps, each of which calls `step` with what the one before gave. */
function chainOf(length, step) {
  const work = (go) => ({ units: length, run: async () => check(length, await go()) });
  const input = { n: 0 };
  const agents = () => chain('chain', ...ids(length).map((id) => agent(id, step)));
  return {
    promises: () =>
      work(async () => {
        let value = input;
        for (let position = 0; position < length; position += 1) value = await step(value);
        return value;
      }),
    rxjs: () => {
      const stream$ =
        length > 1_000
          ? scanned(length, () => mergeMap(step), input)
          : piped(length, () => mergeMap(step), input);
      return work(() => drain(stream$));
    },
    'rxjs-ev': () => {
      const events = watched(new Subject());
      const operator = (id) => observed(events, id, step);
      const stream$ = length > 1_000 ? scanned(length, operator, input) : piped(length, operator, input);
      return work(() => drain(stream$));
    },
    millrace: () => {
      const self = agents();
      return work(() => follow(run(self, input)));
    },
    'millrace +state': () => {
      const self = agents();
      return work(() => follow(run(self, input), true));
    },
    'millrace memoryStore': () => {
      const self = agents();
      let count = 0;
      let store = memoryStore();
      return work(() => {
        count += 1;
        if (count % 100 === 0) store = memoryStore();
        return follow(run(self, input, { store, runId: `r${count}` }));
      });
    },
    effect: async () => {
      const { Effect } = await import('effect');
      const program = ids(length).reduce(
        (before) => Effect.flatMap(before, (value) => Effect.promise(() => step(value))),
        Effect.succeed(input),
      );
      return work(() => Effect.runPromise(program));
    },
    mastra: async () =>
      work(
        await mastraRun(
          (build, makeStep) => ids(length).reduce((flow, id) => flow.then(makeStep(id, step)), build()),
          input,
        ),
      ),
    langgraph: async () =>
      work(
        await langgraphRun(
          (graph, START, END) => {
            for (const id of ids(length)) graph.addNode(id, step);
            graph.addEdge(START, 's0');
            for (let position = 1; position < length; position += 1)
              graph.addEdge(`s${position - 1}`, `s${position}`);
            graph.addEdge(`s${length - 1}`, END);
          },
          input,
          length,
        ),
      ),
    llamaindex: async () => work(await llamaindexChain(length, step, input)),
    xstate: async () => work(await xstateChain(length, step, input)),
  };
}

/** As one writes it; RxJS loses a much longer pipe in silence. */
const piped = (length, operator, input) => of(input).pipe(...ids(length).map(operator));

/** The same for any length: one step at a time. */
const scanned = (length, operator, input) =>
  from(ids(length)).pipe(
    mergeScan((value, id) => of(value).pipe(operator(id)), input, 1),
    last(),
  );

const grown = ['promises', 'rxjs-ev', 'millrace', 'millrace +state'];
const growth = (length) => {
  const variants = chainOf(length, next);
  return {
    id: `W8-chain-${length}`,
    title: `chain of ${length.toLocaleString('en')} steps`,
    unit: 'step',
    totalUnits: 300_000,
    once: ['rxjs-ev', 'millrace +state'],
    variants: Object.fromEntries(grown.map((name) => [name, variants[name]])),
  };
};

export const workloads = [
  { id: 'W1', title: 'chain of 100 steps', unit: 'step', variants: chainOf(100, next) },
  {
    id: 'W1i',
    title: 'the same, each step crosses the event loop',
    unit: 'step',
    variants: chainOf(100, nextTurn),
  },
  ...[10, 100, 1_000, 10_000, 100_000].map(growth),
];
