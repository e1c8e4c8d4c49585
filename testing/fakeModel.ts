import type { SchedulerLike } from 'rxjs';
import { Subscription } from 'rxjs';

import type { AgentPolicy, StepContext } from '../lib/model/agentType';
import { InvalidArgumentError } from '../lib/model/failure';
import type { Model, ModelAnswer, ModelRequest, ModelUsage } from '../lib/definition/languageModel';
import { agent } from '../operators/agents/agent';
import { currentScheduler } from './virtual';

/** What a fake model does when it is asked. */
export interface FakeAnswer {
  /** What it says, whole or piece by piece. */
  readonly text?: string | readonly string[];
  /** The tools it asks for. Ids are `call_0`, `call_1` … where they are left out. */
  readonly toolCalls?: readonly {
    readonly tool: string;
    readonly arguments?: unknown;
    readonly id?: string;
  }[];
  /** What it says that it used. */
  readonly usage?: Pick<ModelUsage, 'inputTokens' | 'outputTokens' | 'usd'>;
  /** Why it stops; told from the rest when left out. */
  readonly finish?: ModelAnswer['finish'];
  /** Milliseconds before the first piece; 0 when left out. */
  readonly afterMs?: number;
  /** Milliseconds between two pieces; 0 when left out. */
  readonly everyMs?: number;
  /** What it throws behind its text, such as an error with `status: 429`. */
  readonly error?: unknown;
}

/** A list of answers, each perhaps a list by attempt, or a function that gives them. */
export type ModelScript =
  | readonly (FakeAnswer | readonly FakeAnswer[])[]
  | ((request: ModelRequest, call: { readonly round: number; readonly attempt: number }) => FakeAnswer);

/** A model that plays a script and remembers what it was asked. */
export type FakeModel = Model & { readonly calls: readonly ModelRequest[] };

/** How a fake model is carried out. */
export interface FakeModelOptions extends AgentPolicy<ModelRequest> {
  /** The name of the agent; `model` when left out. */
  readonly name?: string;
  /** Whose clock it follows; the one it is called under when left out. */
  readonly scheduler?: SchedulerLike;
}

/**
 * Stands in for a language model, offline and in virtual time too.
 *
 * Which answer of a list is played follows from the conversation alone, from how many answers of a model stand in it: so a run that is
 * killed and taken up again gets the same answers. Where an entry is a list, the attempt chooses from it; the last one stays.
 *
 * @throws InvalidArgumentError (the step fails) when the conversation is longer than the list.
 *
 * @example
 * ```ts
 * const model = fakeModel([
 *   { toolCalls: [{ tool: 'weather', arguments: { city: 'Seoul' } }] },
 *   { text: ['It ', 'rains.'], everyMs: 20 },
 * ]);
 * ```
 */
export function fakeModel(script: ModelScript, options: FakeModelOptions = {}): FakeModel {
  const { name = 'model', scheduler, ...policy } = options;
  const calls: ModelRequest[] = [];
  const fake = agent(
    name,
    (request: ModelRequest, context) => {
      calls.push(request);
      return played(answerIn(script, request, context), context, scheduler ?? currentScheduler());
    },
    policy,
  );
  return Object.defineProperty(fake, 'calls', { value: calls }) as unknown as FakeModel;
}

function answerIn(script: ModelScript, request: ModelRequest, { attempt }: StepContext): FakeAnswer {
  const round = request.messages.filter(({ role }) => role === 'assistant').length;
  if (typeof script === 'function') return script(request, { round, attempt });
  const entry = script[round];
  const answers: readonly FakeAnswer[] = entry === undefined || !isList(entry) ? [entry ?? {}] : entry;
  const answer = answers[Math.min(attempt, answers.length) - 1];
  if (entry === undefined || answer === undefined) {
    throw new InvalidArgumentError(
      `Cannot play answer ${String(round + 1)} of the fake model: its script has ${String(script.length)}`,
      'add to the script what it answers then',
    );
  }
  return answer;
}

function isList(entry: FakeAnswer | readonly FakeAnswer[]): entry is readonly FakeAnswer[] {
  return Array.isArray(entry);
}

/** Calls back without a microtask, unlike a Promise: that is what keeps it in virtual time. */
function played(
  answer: FakeAnswer,
  context: StepContext,
  scheduler: SchedulerLike,
): PromiseLike<ModelAnswer> {
  const { text = '', afterMs = 0, everyMs = 0 } = answer;
  const pieces = typeof text === 'string' ? [text] : text;
  const then = (resolve: (value: ModelAnswer) => void, reject: (error: unknown) => void): void => {
    const timers = new Subscription();
    context.signal.addEventListener('abort', () => {
      timers.unsubscribe();
    });
    const say = (index: number): void => {
      const piece = pieces[index];
      if (piece !== undefined && piece !== '') context.emit(piece);
      if (index + 1 < pieces.length) wait(index + 1, everyMs);
      else if ('error' in answer) reject(answer.error);
      else resolve(wholeAnswer(answer, pieces.join('')));
    };
    const wait = (index: number, delayMs: number): void => {
      timers.add(
        scheduler.schedule(() => {
          say(index);
        }, delayMs),
      );
    };
    wait(0, afterMs);
  };
  return { then } as PromiseLike<ModelAnswer>;
}

function wholeAnswer({ toolCalls = [], usage, finish }: FakeAnswer, text: string): ModelAnswer {
  return {
    text,
    toolCalls: toolCalls.map(({ tool, arguments: args = {}, id }, index) => ({
      id: id ?? `call_${String(index)}`,
      tool,
      arguments: args,
    })),
    finish: finish ?? (toolCalls.length > 0 ? 'tools' : 'stop'),
    ...(usage !== undefined && { usage: { ...usage, tokens: usage.inputTokens + usage.outputTokens } }),
  };
}
