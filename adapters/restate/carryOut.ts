import { isDeepStrictEqual } from 'node:util';

import type { InvocationId, WorkflowContext } from '@restatedev/restate-sdk';
import { TerminalError } from '@restatedev/restate-sdk';

import { RunState } from '../../lib/codec/state';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/graph/definition';
import { definitionOf, planOf } from '../../lib/graph/definition';
import type { CallCallbacks } from '../../lib/graph/engine';
import type { StepTask } from '../../lib/graph/stepTask';
import type { Agent } from '../../lib/model/agent';
import type { RunEvent } from '../../lib/model/event';
import { toFailure } from '../../lib/model/failure';
import type { RunState as State } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import type { StepTable } from '../../lib/model/stepTable';
import { downstream } from '../../operators/engineKit';
import { InputMismatchError } from '../../operators/inputMismatchError';
import { interpret } from '../../operators/interpret';
import { BATCH_BYTES, FLUSH_MS, LARGEST_MESSAGE, LONGEST_WATCH_MS, WATCH_MS } from './limits';
import type { LifeEngine, Placed } from './lifeEngine';
import { lifeEngine, previews } from './lifeEngine';
import type { LifeResult, Part, Rest, StartRequest } from './protocol';
import type { Teller } from './teller';

/** What carrying out a life needs of the worker. */
export interface Worker {
  readonly agent: Agent<never, unknown>;
  teller(key: string, before: () => readonly Part[]): Teller;
  place(life: PlacedLife, task: StepTask, input: unknown, callbacks: CallCallbacks): Placed;
}

/** The life that a step is called in. */
export interface PlacedLife {
  readonly context: WorkflowContext;
  readonly runId: string;
  readonly key: string;
  readonly known: () => StepTable;
  readonly teller: Teller;
  /** What to do when the connection to the server is lost. */
  readonly lost: (() => void)[];
  /** Cancels an invocation that nobody waits for any more. */
  readonly abandon: (id: Promise<InvocationId>) => void;
}

/**
 * Carries out one life of a run inside a handler. Everything the interpreter asks for is a durable operation, and their
 * answers come back through one race, in the order of the journal; so a replay does the same again, step by step.
 *
 * Events are a function of the journal. They are told in batches as durable promises `ev:<index>`, the last of them with
 * the result; those that are held back for longer than a batch are told early, beside the journal.
 */
export async function carryOut(
  context: WorkflowContext,
  worker: Worker,
  request: StartRequest,
  before: Rest | undefined,
): Promise<LifeResult> {
  const { runId } = request;
  const { agent } = worker;
  const opening = openingOf(agent, request, before);
  if ('refused' in opening) {
    context.set('rest', before);
    return { status: 'FAILED', from: 0, events: [], parts: 0, refused: opening.refused };
  }
  const { state, event, input } = opening;

  let flushed = 0;
  let previewed = 0;
  let lastFlush = request.at;
  let timer: NodeJS.Timeout | undefined;
  const early = (): readonly Part[] => {
    const parts = previews(engine.events, Math.max(previewed, flushed));
    previewed = engine.events.length;
    return parts;
  };
  const teller = worker.teller(context.key, early);
  const lost: (() => void)[] = [];
  context.request().attemptCompletedSignal.addEventListener('abort', () => {
    clearTimeout(timer);
    teller.close();
    for (const abandon of lost) abandon();
  });
  const engine: LifeEngine = lifeEngine({
    context,
    state,
    at: Math.max(request.at, state.endedAt ?? 0),
    answers: before?.answers ?? [],
    place: (task, value, callbacks) =>
      worker.place(
        {
          context,
          runId,
          key: context.key,
          teller,
          lost,
          known: () => engine.steps(),
          abandon: (id) => {
            engine.abandon(id);
          },
        },
        task,
        value,
        callbacks,
      ),
  });

  engine.record(event, () => undefined);
  if (opening.warning !== undefined) engine.tell(opening.warning);
  let isOver = false;
  const interpreter = interpret({
    runId,
    agent,
    input,
    engine,
    known: opening.isResumed ? engine.steps() : undefined,
    seq: event.seq,
    maxCrashes: Infinity,
    ended() {
      isOver = true;
    },
  });
  interpreter.begin();

  /** Tells in durable promises what has been held back for long enough, by the clock of the journal. */
  const flush = (isDue: boolean): void => {
    while (isDue && flushed < engine.events.length) {
      const batch = batchOf(engine.events, flushed);
      void context.promise<readonly RunEvent[]>(`ev:${flushed}`).resolve(batch);
      flushed += batch.length;
      lastFlush = engine.clock();
    }
  };

  livesHere += 1;
  try {
    while (!isOver) {
      flush(engine.clock() - lastFlush >= FLUSH_MS || sizeOf(engine.events, flushed) > BATCH_BYTES);
      if (engine.events.length > Math.max(previewed, flushed)) {
        timer ??= setTimeout(() => {
          timer = undefined;
          teller.preview();
        }, previewAfter());
      }
      const isGoing = await engine.turn();
      if (isGoing) continue;
      const cancelled = interpreter.stop();
      if (cancelled !== undefined) engine.note(cancelled);
      isOver = true;
    }
  } finally {
    livesHere -= 1;
    clearTimeout(timer);
    teller.close();
  }

  const final = engine.state();
  flush(flushed > 0 || sizeOf(engine.events, 0) > BATCH_BYTES);
  if (final.status !== 'COMPLETED') leave(context, engine, final);
  return {
    status: final.status,
    from: flushed,
    events: engine.events.slice(flushed),
    parts: engine.told(),
  };
}

let livesHere = 0;

/** The more runs this process carries out, the longer each turn takes, and the less often one is told early. */
function previewAfter(): number {
  return Math.min(LONGEST_WATCH_MS, WATCH_MS * Math.max(1, livesHere / 4));
}

/** Puts down how the run stands, for the next life. */
function leave(context: WorkflowContext, engine: LifeEngine, state: State): void {
  const rest: Rest = { state: RunState.encode(state), answers: engine.unused(), read: engine.read() };
  if (JSON.stringify(rest).length > LARGEST_MESSAGE) {
    throw new TerminalError(
      `Run "${state.runId}" cannot rest: its results are larger than ${LARGEST_MESSAGE} bytes; keep references instead`,
    );
  }
  context.set('rest', rest);
}

/** The next events to tell, no more than a message carries well. */
function batchOf(events: readonly RunEvent[], from: number): readonly RunEvent[] {
  let size = 0;
  let to = from;
  while (to < events.length && (to === from || size < BATCH_BYTES)) {
    size += sizeOfOne(events[to] as RunEvent);
    to += 1;
  }
  return events.slice(from, to);
}

function sizeOf(events: readonly RunEvent[], from: number): number {
  let size = 0;
  for (let i = from; i < events.length; i += 1) size += sizeOfOne(events[i] as RunEvent);
  return size;
}

const sizes = new WeakMap<RunEvent, number>();

/** About how many bytes an event takes. */
function sizeOfOne(event: RunEvent): number {
  const known = sizes.get(event);
  if (known !== undefined) return known;
  let size = 'plan' in event ? 2_000 : 200;
  for (const key of ['output', 'input', 'value', 'kept', 'request', 'data']) {
    const value = (event as unknown as Readonly<Record<string, unknown>>)[key];
    if (typeof value === 'string') size += value.length;
    else if (typeof value === 'object' && value !== null) size += JSON.stringify(value).length;
  }
  sizes.set(event, size);
  return size;
}

interface Opening {
  readonly state: State;
  readonly isResumed: boolean;
  readonly input: unknown;
  readonly event: Extract<RunEvent, { type: 'run.started' | 'run.resumed' }>;
  readonly warning?: RunEvent;
}

function openingOf(
  agent: Agent<never, unknown>,
  request: StartRequest,
  before: Rest | undefined,
): Opening | { readonly refused: ReturnType<typeof toFailure> } {
  const { runId, input, at } = request;
  const plan = planOf(definitionOf(agent) as Definition);
  const given = before?.state ?? request.seed;
  if (given === undefined) {
    const state = idleState(runId, agent.name, plan);
    return {
      state,
      isResumed: false,
      input,
      event: { type: 'run.started', runId, seq: 1, at, name: agent.name, input, plan },
    };
  }
  const saved = validate(RunState, given, `state of run "${runId}"`);
  const isChanged = input !== undefined && !isDeepStrictEqual(input, saved.input);
  if (isChanged && request.onMismatch === 'refuse')
    return { refused: toFailure(new InputMismatchError(runId)) };
  const dropped = isChanged ? downstream(plan, undefined, true, saved.steps) : [];
  const gone = new Set(dropped);
  const reused = [...saved.steps].filter(
    ({ status, stepId }) => (status === 'COMPLETED' || status === 'SKIPPED') && !gone.has(stepId),
  ).length;
  const event: Opening['event'] = {
    type: 'run.resumed',
    runId,
    seq: saved.seq + 1,
    at: Math.max(at, saved.endedAt ?? 0),
    life: saved.life + 1,
    reused,
    ...(isChanged && { input }),
    ...(dropped.length > 0 && { dropped }),
  };
  return {
    state: saved,
    isResumed: true,
    input: isChanged ? input : saved.input,
    event,
    ...(isChanged && {
      warning: {
        type: 'step.logged',
        runId,
        seq: event.seq,
        at: event.at,
        path: '',
        level: 'WARNING',
        message: `The saved run has another input; the one at hand wins and ${dropped.length} saved steps are dropped`,
      },
    }),
  };
}
