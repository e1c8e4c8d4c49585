/** How the peers are set up, each as its own guide does it; imported only when it is measured. */

/** Mastra: a workflow in its default engine, a fresh run each time. */
export async function mastraRun(define, input) {
  const { createStep, createWorkflow } = await import('@mastra/core/workflows');
  const { z } = await import('zod');
  const any = z.any();
  const makeStep = (id, work) =>
    createStep({
      id,
      inputSchema: any,
      outputSchema: any,
      execute: async ({ inputData, ...rest }) => work(inputData, rest),
    });
  const flow = define(
    () => createWorkflow({ id: 'bench', inputSchema: any, outputSchema: any }),
    makeStep,
  ).commit();
  return async (given = input) => {
    const run = await flow.createRun();
    const result = await run.start({ inputData: given });
    if (result.status !== 'success') throw new Error(`mastra: ${result.status} ${result.error}`);
    return result.result;
  };
}

/** LangGraph.js: a state graph without a checkpointer; `n` of the state is replaced by each node. */
export async function langgraphRun(define, input, steps, channels) {
  const { Annotation, END, START, StateGraph } = await import('@langchain/langgraph');
  const State = Annotation.Root(channels?.(Annotation) ?? { n: Annotation() });
  const graph = new StateGraph(State);
  define(graph, START, END);
  const compiled = graph.compile();
  return (given = input) => compiled.invoke(given, { recursionLimit: steps + 10 });
}

/** LlamaIndex workflow-core: one event and one handler a step. */
export async function llamaindexChain(length, step, input) {
  const { createWorkflow, workflowEvent } = await import('@llamaindex/workflow-core');
  const events = Array.from({ length: length + 1 }, () => workflowEvent());
  const flow = createWorkflow();
  for (let position = 0; position < length; position += 1) {
    flow.handle([events[position]], async (_context, event) =>
      events[position + 1].with(await step((event ?? _context).data)),
    );
  }
  return async (given = input) => {
    const { stream, sendEvent } = flow.createContext();
    sendEvent(events[0].with(given));
    const [done] = await stream
      .until(events[length])
      .toArray()
      .then((all) => all.slice(-1));
    return done.data;
  };
}

/** XState: one state a step, which invokes a promise actor. */
export async function xstateChain(length, step, input) {
  const { assign, createActor, createMachine, fromPromise, waitFor } = await import('xstate');
  const work = fromPromise(({ input: value }) => step(value));
  const states = { done: { type: 'final' } };
  for (let position = 0; position < length; position += 1) {
    states[`s${position}`] = {
      invoke: {
        src: work,
        input: ({ context }) => context,
        onDone: {
          target: position + 1 === length ? 'done' : `s${position + 1}`,
          actions: assign(({ event }) => event.output),
        },
      },
    };
  }
  const machine = createMachine({ initial: 's0', context: ({ input: given }) => given, states });
  return async (given = input) => {
    const actor = createActor(machine, { input: given }).start();
    const { context } = await waitFor(actor, ({ status }) => status === 'done');
    return context;
  };
}
