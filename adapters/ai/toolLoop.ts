import type { Either } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import type { JsonSchema } from '../../lib/codec/jsonSchema';
import { jsonSchemaOf } from '../../lib/codec/jsonSchema';
import type { CheckOf } from '../../lib/codec/schema';
import { codecFrom } from '../../lib/codec/schema';
import { typeName } from '../../lib/codec/typeName';
import { validate } from '../../lib/codec/validate';
import { definitionOf, isStructure } from '../../lib/definition/definition';
import type { SettledFailure, Wire } from '../../lib/definition/wire';
import { pick } from '../../lib/definition/wire';
import { DefinitionError } from '../../lib/errors/definitionErrors';
import { ValidationError } from '../../lib/errors/runErrors';
import type { Agent, AgentPolicy } from '../../lib/model/agentType';
import { MillraceError } from '../../lib/model/failure';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { branch } from '../../operators/agents/branch';
import { each } from '../../operators/agents/each';
import { loop } from '../../operators/agents/loop';
import { madeWith, tracedAs, withPolicy } from '../../operators/agents/withPolicy';
import type { StepBuilder } from '../../operators/agents/workflow';
import { workflow } from '../../operators/agents/workflow';
import type {
  Message,
  Model,
  ModelAnswer,
  ModelRequest,
  ToolCall,
  ToolMessage,
} from '../../lib/definition/languageModel';

/** An agent that a model may ask for. */
export interface Tool {
  /** What is called, under its own policies. */
  readonly agent: Agent<never, unknown>;
  /** What it does; the model reads it. */
  readonly description: string;
  /** The JSON Schema of its arguments. */
  readonly parameters: JsonSchema;
  /** Whether a person has to agree to this call. */
  readonly approve: ((call: ToolCall) => boolean) | undefined;
}

/** What a model is told about a tool, and when a person has to agree; `I` is what its agent takes. */
export interface ToolOptions<I = unknown> {
  /** What it does, and when it is of use: the model reads it. */
  readonly description: string;
  /** The JSON Schema of its arguments; that of the agent's `input` when left out. */
  readonly parameters?: JsonSchema;
  /**
   * Whether a person has to agree to this call first: `answer(runId, path, { approved: true }, …)`. Nobody has to when left out. It gets
   * the arguments as the agent will get them; about those that do not fit nobody is asked, because they go back to the model. The type is
   * that of what goes into the agent: where a schema makes something else of it, such as a default, say so with `z.infer` or its like.
   */
  readonly approve?: (call: ToolCall & { readonly arguments: I }) => boolean;
}

// The defaults: an agent made on the spot is inferred last, and would be blamed for a wrong option.
/**
 * Makes a tool of an agent. The agent's `input` codec or schema checks the arguments; its policies hold.
 *
 * @throws DefinitionError when the agent has neither an `input` nor `parameters`.
 * @throws NoJsonSchemaError when its `input` cannot be told as a JSON Schema, and there are no `parameters`.
 */
export function tool<I = never>(of: Agent<I, unknown>, options: ToolOptions<NoInfer<I>>): Tool {
  const definition = definitionOf(of);
  if (definition === undefined)
    throw new DefinitionError('tool', `a tool needs an agent, got ${typeof of}; make one with agent()`);
  const { description, parameters, approve } = options;
  const { input, name } = definition;
  if (parameters === undefined && input === undefined) {
    const problem =
      'as a tool it needs an `input` codec or schema, or `parameters`, to tell the model its arguments';
    throw new DefinitionError(name, problem);
  }
  return {
    agent: of,
    description,
    parameters: parameters ?? jsonSchemaOf(input as t.Any),
    approve: approve && ((call) => needsPerson(input, call, approve)),
  };
}

/** Whether the arguments fit, and a person has to agree to them. */
function needsPerson(
  input: t.Decoder<unknown, unknown> | undefined,
  call: ToolCall,
  approve: (call: ToolCall & { readonly arguments: never }) => boolean,
): boolean {
  if (input === undefined) return approve({ ...call, arguments: call.arguments as never });
  let taken: unknown;
  try {
    taken = validate(input, call.arguments);
  } catch (error) {
    if (error instanceof ValidationError) return false;
    throw error;
  }
  return approve({ ...call, arguments: taken as never });
}

/** What `toolLoop` is made of. */
export interface ToolLoopOptions extends AgentPolicy<ToolLoopInput> {
  /** What answers. */
  readonly model: Model;
  /** What it may ask for. */
  readonly tools?: readonly Tool[];
  /** What the model is told first. */
  readonly system?: string;
  /** Most answers of the model; 16 when left out. */
  readonly maxRounds?: number;
  /** Rounds in a row in which every call of a tool failed, after which the loop fails; 3 when left out. What a person refused has not failed. */
  readonly maxFailures?: number;
  /** How many tools of one round run at once; all when left out. */
  readonly concurrency?: number;
  /** Makes the conversation shorter before each call of the model. What it gives is on record. */
  readonly compact?: (messages: readonly Message[]) => readonly Message[] | Promise<readonly Message[]>;
}

/** A question, or the conversation so far. To go on where an earlier run ended, give its `messages` and the next one. */
export type ToolLoopInput = string | readonly Message[];

/** What a `toolLoop` gives. */
export interface ToolLoopAnswer<O = undefined> {
  /** The last answer of the model. */
  readonly text: string;
  /** The same as the schema made of it. */
  readonly output: O;
  /** The whole conversation, the last answer included. */
  readonly messages: readonly Message[];
}

/**
 * An agent that lets a model work with tools: asks the model, runs the tools it asks for side by side, hands the results back, and so
 * on until the model answers without asking for a tool.
 *
 * Every answer of the model and every call of a tool is a durable step, `round[2]/model` and
 * `round[2]/tools["call_7"]/tool/search/call`: a run that is taken up again repeats none whose end was told. What goes wrong in a tool, arguments that do not fit, and a tool that
 * does not exist, go back to the model as results. The text of the model streams as partial results of `round[…]/model`.
 *
 * @throws DefinitionError when `model` is no agent, two tools have one name, or `maxRounds` or `maxFailures` is no number from 1.
 * @throws NoJsonSchemaError when `output` cannot be told as a JSON Schema.
 * @throws LoopLimitError (the step fails) when `maxRounds` answers were not enough.
 * @throws ToolsFailedError (the step fails) when nothing but failures came of the tools, `maxFailures` rounds in a row.
 * @throws ValidationError (the step fails) when an answer does not fit `output`, and the one after it does not either.
 *
 * @example
 * ```ts
 * const assistant = toolLoop('assistant', { model, tools: [tool(search, { description: 'Finds pages.' })] });
 * ```
 */
export function toolLoop<O = undefined>(
  name: string,
  options: ToolLoopOptions & {
    /** What the last answer has to be: a schema, or a codec of io-ts whose values JSON keeps. Any text will do when left out. */
    readonly output?: CheckOf<O>;
  },
): Agent<ToolLoopInput, ToolLoopAnswer<O>>;
export function toolLoop(
  name: string,
  options: ToolLoopOptions & { readonly output?: unknown },
): Agent<ToolLoopInput, ToolLoopAnswer<unknown>> {
  const {
    model,
    tools = [],
    system,
    maxRounds = 16,
    maxFailures,
    concurrency,
    compact,
    output,
    ...policy
  } = options;
  if (maxFailures !== undefined && !(maxFailures >= 1))
    throw new DefinitionError(
      name,
      `maxFailures is ${String(maxFailures)}; give a number of rounds, 1 or more`,
    );
  const codec = output === undefined ? undefined : codecFrom(name, 'output', output);
  const plan: LoopPlan = {
    name,
    tools: toolsByName(name, tools),
    maxFailures: maxFailures ?? 3,
    codec,
    form: codec && jsonSchemaOf(codec),
  };
  const definition = definitionOf(model);
  if (definition === undefined) {
    const problem = `its model must be an agent, such as aiSdkModel() and openAiModel() make, got ${typeName(model)}`;
    throw new DefinitionError(name, problem);
  }
  // A composite of models only passes on what one of them has said.
  const isAsked = definition.does === undefined && !isStructure(definition);
  const asked = isAsked ? tracedAs(model, { operation: 'chat', model: model.name }) : model;
  const round = workflow('round', (state: Wire<Conversation>, step) => {
    const before = pick(state, ({ messages }) => messages);
    const messages = compact === undefined ? before : step('compact', agent('compact', compact), before);
    const answer = step(
      'model',
      asked,
      pick(messages, (all) => requestOf(plan, all)),
    );
    const results = callTools(step, plan, answer, concurrency);
    return pick({ state, messages, answer, results }, (all) => judged(plan, all));
  });
  const rounds = loop('round', round, { until: ({ last }) => last !== undefined, max: maxRounds });
  const whole = workflow(name, (input: Wire<ToolLoopInput>, step) => {
    const end = step(
      'round',
      rounds,
      pick(input, (given) => begun(given, system)),
    );
    return pick(end, ({ messages, last }) => ({ text: last?.text ?? '', output: last?.output, messages }));
  });
  const told = tools.map(({ agent: { name: of }, description, parameters, approve }) => [
    of,
    description,
    parameters,
    approve === undefined ? null : String(approve),
  ]);
  const made = { system, maxRounds, maxFailures, tools: told, output: plan.codec };
  return withPolicy(madeWith(whole, made), policy);
}

interface LoopPlan {
  readonly name: string;
  readonly tools: ReadonlyMap<string, Tool>;
  readonly maxFailures: number;
  readonly codec: t.Type<unknown, unknown> | undefined;
  /** The same as the model is told. */
  readonly form: JsonSchema | undefined;
}

/** What goes from round to round. */
interface Conversation {
  readonly messages: readonly Message[];
  /** Rounds in a row in which every tool failed. */
  readonly failures: number;
  /** Whether the model was told already that its answer does not fit. */
  readonly isRepaired: boolean;
  /** The answer that ends it. */
  readonly last?: { readonly text: string; readonly output?: unknown };
}

function toolsByName(name: string, tools: readonly Tool[]): ReadonlyMap<string, Tool> {
  const byName = new Map<string, Tool>();
  for (const one of tools) {
    if (byName.has(one.agent.name))
      throw new DefinitionError(
        name,
        `two tools are named "${one.agent.name}"; rename the agent of one of them`,
      );
    byName.set(one.agent.name, one);
  }
  return byName;
}

function begun(input: ToolLoopInput, system: string | undefined): Conversation {
  const given: readonly Message[] = typeof input === 'string' ? [{ role: 'user', content: input }] : input;
  // A conversation that goes on brings what the model was told first.
  const isTold = system === undefined || given.some(({ role }) => role === 'system');
  const messages: readonly Message[] = isTold ? given : [{ role: 'system', content: system }, ...given];
  return { messages, failures: 0, isRepaired: false };
}

function requestOf({ name, tools, form }: LoopPlan, messages: readonly Message[]): ModelRequest {
  const described = [...tools.values()].map(({ agent: { name: toolName }, description, parameters }) => ({
    name: toolName,
    description,
    parameters,
  }));
  return {
    messages,
    ...(described.length > 0 && { tools: described }),
    ...(form !== undefined && { output: { name, schema: form } }),
  };
}

/** What a call of a tool came to, as the model is told. */
interface ToolResult {
  readonly content: string;
  readonly isError: boolean;
  /** A person did not want it: the tool itself may be well. */
  readonly isRefused?: true;
}

/** Runs the tools that the model has asked for, side by side. What fails is a result too. */
function callTools(
  step: StepBuilder,
  plan: LoopPlan,
  answer: Wire<ModelAnswer>,
  concurrency = Number.MAX_SAFE_INTEGER,
): Wire<Either<SettledFailure, ToolResult>[]> | Wire<never[]> {
  if (plan.tools.size === 0) return pick(answer, () => []);
  const cases = Object.fromEntries([...plan.tools].map(([name, one]) => [name, callOf(name, one)] as const));
  const unknown = agent('unknown tool', (call: ToolCall): ToolResult => unknownTool(plan, call));
  const call = branch('tool', ({ tool: name }: ToolCall) => name, cases, unknown);
  const calls = each('tools', call, { key: ({ id }) => id, onError: 'collect', concurrency });
  return step('tools', calls, pick(answer, toolCallsOf));
}

/** What the model gets to read where it asked for a tool that is not there. */
function unknownTool({ tools }: LoopPlan, { tool: name }: ToolCall): ToolResult {
  return { content: `There is no tool "${name}", only ${[...tools.keys()].join(', ')}.`, isError: true };
}

/** The calls with ids that tell them apart, also where the provider did not. */
function toolCallsOf({ toolCalls }: ModelAnswer): readonly ToolCall[] {
  const seen = new Set<string>();
  return toolCalls.map((call, index) => {
    const id = call.id === '' || seen.has(call.id) ? `${call.id}#${String(index)}` : call.id;
    seen.add(id);
    return id === call.id ? call : { ...call, id };
  });
}

const Permission = t.intersection([t.type({ approved: t.boolean }), t.partial({ reason: t.string })]);
type Permission = t.TypeOf<typeof Permission>;

/** Stands for arguments that a person has not agreed to. */
const REFUSED = Object.freeze({});

/** One tool, from the call of the model to what it is told. */
function callOf(name: string, { agent: of, approve }: Tool): Agent<ToolCall, ToolResult> {
  const called = workflow(name, (call: Wire<ToolCall>, step) => {
    const work = of as Agent<unknown, unknown>;
    if (approve === undefined) {
      const output = step(
        'call',
        work,
        pick(call, (made) => made.arguments),
      );
      return pick(output, (value): ToolResult => ({ content: contentOf(value), isError: false }));
    }
    const permission = step('approve', approval('approve', Permission), call, {
      when: approve,
      otherwise: { approved: true },
    });
    const permitted = pick({ call, permission }, (both): unknown =>
      both.permission.approved ? both.call.arguments : REFUSED,
    );
    const output = step('call', work, permitted, { when: (args) => args !== REFUSED });
    return pick({ output, permission }, (both): ToolResult => resultOf(both.output, both.permission));
  });
  return tracedAs(called, { operation: 'execute_tool', tool: name });
}

function resultOf(output: unknown, { approved, reason }: Permission): ToolResult {
  if (approved) return { content: contentOf(output), isError: false };
  return {
    content: `A person has refused this call${reason === undefined ? '' : `: ${reason}`}.`,
    isError: true,
    isRefused: true,
  };
}

function contentOf(output: unknown): string {
  if (output === undefined) return '';
  return typeof output === 'string' ? output : JSON.stringify(output);
}

interface Round {
  readonly state: Conversation;
  readonly messages: readonly Message[];
  readonly answer: ModelAnswer;
  readonly results: readonly Either<SettledFailure, ToolResult>[];
}

/** The conversation after a round: what the model said, and what came of it. */
function judged(plan: LoopPlan, { state, messages, answer, results }: Round): Conversation {
  const toolCalls = toolCallsOf(answer);
  const said: Message = {
    role: 'assistant',
    content: answer.text,
    ...(toolCalls.length > 0 && { toolCalls }),
    ...(answer.provider !== undefined && { provider: answer.provider }),
  };
  if (toolCalls.length === 0) return ended(plan, state, [...messages, said], answer.text);
  const given = toolCalls.map((call, index) => results[index] ?? noTools(call));
  const told = toolCalls.map((call, index) => toolMessage(call, given[index] ?? noTools(call)));
  const failures = given.every(hasFailed) ? state.failures + 1 : 0;
  if (failures >= plan.maxFailures) throw new ToolsFailedError(plan.name, told);
  return { messages: [...messages, said, ...told], failures, isRepaired: state.isRepaired };
}

function hasFailed(result: Either<SettledFailure, ToolResult>): boolean {
  return result._tag === 'Left' || (result.right.isError && result.right.isRefused !== true);
}

/** A model may ask for tools where it was told of none. */
function noTools({ tool: name }: ToolCall): Either<SettledFailure, ToolResult> {
  return { _tag: 'Right', right: { content: `There is no tool "${name}".`, isError: true } };
}

function toolMessage({ id, tool: name }: ToolCall, result: Either<SettledFailure, ToolResult>): ToolMessage {
  const { content, isError } =
    result._tag === 'Right' ? result.right : { content: `It failed: ${result.left.message}`, isError: true };
  return { role: 'tool', callId: id, tool: name, content, ...(isError && { isError }) };
}

/** The answer without tools: the end, unless it does not have the form that was asked for. */
function ended(
  { name, codec }: LoopPlan,
  state: Conversation,
  messages: readonly Message[],
  text: string,
): Conversation {
  if (codec === undefined) return { ...state, messages, last: { text } };
  try {
    const output = validate(codec, jsonIn(text), `last answer of "${name}"`);
    return { ...state, messages, last: { text, output } };
  } catch (error) {
    if (!(error instanceof ValidationError) || state.isRepaired) throw error;
    const content = `Your answer does not have the form that was asked for: ${error.mismatches.join('; ')}. Give it again, as JSON only.`;
    return { ...state, messages: [...messages, { role: 'user', content }], isRepaired: true };
  }
}

/** The JSON in a text; models like to put it into a fence. The text itself where there is none. */
function jsonIn(text: string): unknown {
  const fenced = /^\s*```(?:json)?\s*\n(.*)\n\s*```\s*$/s.exec(text);
  try {
    return JSON.parse(fenced?.[1] ?? text) as unknown;
  } catch {
    return text;
  }
}

/** Nothing but failures came of the tools. */
export class ToolsFailedError extends MillraceError {
  override readonly name = 'ToolsFailedError';
  readonly code = 'TOOLS_FAILED';
  readonly retryable = false;

  constructor(loopName: string, told: readonly ToolMessage[]) {
    const last = told.map(({ tool: name, content }) => `${name}: ${content}`).join('; ');
    super(
      `Cannot go on with "${loopName}": every tool failed, round after round (${last})`,
      'mend the tools, then fork() the run from the round that failed: a resumed one keeps what they gave',
    );
  }
}
