import { appendFile, readFile } from 'node:fs/promises';

import { notAnAgent } from '../lib/definition/checks';
import { definitionOf } from '../lib/definition/definition';
import type { FunctionDefinition } from '../lib/definition/definition';
import type { StepContext } from '../lib/model/agentType';
import type { Failure } from '../lib/model/failure';
import { InvalidArgumentError, toFailure } from '../lib/model/failure';
import type { Model, ModelAnswer, ModelRequest } from '../lib/definition/languageModel';
import { agent } from '../operators/agents/agent';
import { withDefinition } from './override';

/** One call of a model on record: a line of JSON. */
interface RecordedCall {
  readonly request: ModelRequest;
  /** The text as it came. */
  readonly pieces: readonly string[];
  readonly answer?: ModelAnswer;
  readonly failure?: Failure;
}

/**
 * The same model, which also writes each call to a file: what it was asked, the pieces of its text, its answer or failure, a line of
 * JSON each. Requests hold what your users said: look at the file before you keep it with your tests.
 *
 * @throws InvalidArgumentError when the model is made of others: record those.
 * @throws The errors of the file, as failures of the step.
 */
export function recordModel(model: Model, file: string): Model {
  const definition = functionBehind(model);
  let written: Promise<void> = Promise.resolve();
  const append = (call: RecordedCall): Promise<void> => {
    // One after another, so that lines of calls at the same time do not mix.
    written = written.catch(() => undefined).then(() => appendFile(file, `${JSON.stringify(call)}\n`));
    return written;
  };
  const call = async (request: ModelRequest, context: StepContext): Promise<ModelAnswer> => {
    const pieces: string[] = [];
    const heard: StepContext = {
      ...context,
      signal: context.signal,
      emit(piece) {
        if (typeof piece === 'string') pieces.push(piece);
        context.emit(piece);
      },
    };
    let answer: ModelAnswer;
    try {
      answer = (await definition.invoke(request, heard)) as ModelAnswer;
    } catch (error) {
      await append({ request, pieces, failure: toFailure(error) });
      throw error;
    }
    await append({ request, pieces, answer });
    return answer;
  };
  // All else stays: its version, what its cached answers are told apart by, what tracing says of it.
  const recorded = { ...definition, invoke: call } as unknown as FunctionDefinition;
  return withDefinition<ModelRequest, ModelAnswer, string>(recorded);
}

function functionBehind(model: Model): FunctionDefinition {
  const definition = definitionOf(model);
  if (definition === undefined) throw notAnAgent('record a model', model);
  if (definition.kind === 'function') return definition;
  throw new InvalidArgumentError(
    `Cannot record "${definition.name}": it is a ${definition.kind} made of others`,
    'record the models that it is made of',
  );
}

/**
 * A model that answers from a file of `recordModel`: the same question gets the same answer, in the order in which it was asked; once
 * all were given, the last one again.
 *
 * @throws InvalidArgumentError (the step fails) when the file does not have the question.
 */
export function replayModel(file: string, name = 'model'): Model {
  let calls: Promise<Map<string, RecordedCall[]>> | undefined;
  const replay = async (request: ModelRequest, context: StepContext): Promise<ModelAnswer> => {
    calls ??= readCalls(file);
    const same = (await calls).get(JSON.stringify(request)) ?? [];
    const recorded = same.length > 1 ? same.shift() : same[0];
    if (recorded === undefined) {
      throw new InvalidArgumentError(
        `Cannot answer from ${file}: nobody asked this when it was recorded`,
        'record it again with recordModel()',
      );
    }
    for (const piece of recorded.pieces) context.emit(piece);
    const { answer, failure } = recorded;
    if (answer === undefined) throw Object.assign(new Error(failure?.message), failure);
    return answer;
  };
  return agent(name, replay) as Model;
}

async function readCalls(file: string): Promise<Map<string, RecordedCall[]>> {
  const calls = new Map<string, RecordedCall[]>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    if (line === '') continue;
    const call = JSON.parse(line) as RecordedCall;
    const key = JSON.stringify(call.request);
    calls.set(key, [...(calls.get(key) ?? []), call]);
  }
  return calls;
}
