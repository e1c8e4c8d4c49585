import { Subject, from, tap } from 'rxjs';

import { agent, follow, run } from '../millrace.mjs';
import { drain, watched } from '../rx.mjs';

const COUNT = 100_000;

async function* tokens(count = COUNT) {
  for (let index = 0; index < count; index += 1) yield { index };
}
const work = (go, units = COUNT) => ({
  units,
  run: async () => {
    const output = await go(units);
    if (output?.index !== units - 1) throw new Error(`got ${JSON.stringify(output)}`);
  },
});

const variants = {
  promises: () =>
    work(async () => {
      let latest;
      for await (const token of tokens()) latest = token;
      return latest;
    }),
  rxjs: () => work(() => drain(from(tokens()))),
  'rxjs-ev': () => {
    const events = watched(new Subject());
    return work(() => {
      let index = 0;
      return drain(
        from(tokens()).pipe(
          tap((value) =>
            events.next({ type: 'step.emitted', step: 'model', at: Date.now(), index: (index += 1), value }),
          ),
        ),
      );
    });
  },
  millrace: () => {
    const self = agent('model', () => tokens());
    return work(() => follow(run(self)));
  },
  'millrace +state': () => {
    const self = agent('model', () => tokens());
    return work(() => follow(run(self), true));
  },
  effect: async () => {
    const { Effect, Stream } = await import('effect');
    return work(() =>
      Effect.runPromise(
        Stream.fromAsyncIterable(tokens(), String).pipe(
          Stream.runFold(
            () => undefined,
            (_, token) => token,
          ),
        ),
      ),
    );
  },
  mastra: async () => {
    const { createStep, createWorkflow } = await import('@mastra/core/workflows');
    const { z } = await import('zod');
    const any = z.any();
    const step = createStep({
      id: 'model',
      inputSchema: any,
      outputSchema: any,
      execute: async ({ inputData, writer }) => {
        let latest;
        for await (const token of tokens(inputData)) await writer.write((latest = token));
        return latest;
      },
    });
    const flow = createWorkflow({ id: 'partials', inputSchema: any, outputSchema: any }).then(step).commit();
    return work(async (units) => {
      const run = await flow.createRun();
      const stream = run.stream({ inputData: units });
      let chunks = 0;
      for await (const _ of stream.fullStream ?? stream.stream ?? stream) chunks += 1;
      if (chunks < units) throw new Error(`${chunks} chunks`);
      return (await stream.result).result;
    }, COUNT / 10);
  },
  langgraph: async () => {
    const { Annotation, END, START, StateGraph } = await import('@langchain/langgraph');
    const graph = new StateGraph(Annotation.Root({ index: Annotation(), units: Annotation() }))
      .addNode('model', async ({ units }, { writer }) => {
        let latest;
        for await (const token of tokens(units)) writer((latest = token));
        return latest;
      })
      .addEdge(START, 'model')
      .addEdge('model', END)
      .compile();
    return work(async (units) => {
      let latest;
      for await (const chunk of await graph.stream({ units }, { streamMode: 'custom' })) latest = chunk;
      return latest;
    }, COUNT / 10);
  },
};

export const workloads = [{ id: 'W7', title: 'one step gives 100,000 partials', unit: 'partial', variants }];
