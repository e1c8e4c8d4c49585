import type { AgentPolicy, StepContext } from '../../lib/model/agentType';
import { jsonValue } from '../../lib/codec/jsonValue';
import { InvalidArgumentError, MillraceError } from '../../lib/model/failure';
import type {
  Message,
  Model,
  ModelAnswer,
  ModelRequest,
  ModelUsage,
  ToolCall,
} from '../../lib/definition/languageModel';
import { agent } from '../../operators/agents/agent';
import { madeWith, tracedAs } from '../../operators/agents/withPolicy';

/** US dollars for a million tokens. */
export interface ModelPrice {
  /** For what the model reads. */
  readonly input: number;
  /** For what it says. */
  readonly output: number;
}

/** How calls of a model are carried out: the policies of agents, and what its tokens cost. */
export interface ModelOptions extends AgentPolicy<ModelRequest> {
  /** What its tokens cost; then `usage` has `usd`, which `budget` counts. */
  readonly price?: ModelPrice;
}

/** What was told of one call. */
interface ToldCall {
  id: string;
  tool: string;
  text: string;
}

/** What a provider has told of an answer so far; the adapters collect it from streams. */
export class AnswerParts {
  /** What was said. */
  text = '';
  /** Why it stopped; `other` until the provider says it. */
  finish: ModelAnswer['finish'] = 'other';
  /** What the provider wants to have back. */
  provider: ModelAnswer['provider'];
  readonly #calls: ToldCall[] = [];
  /** By place: the call that pieces are added to. */
  readonly #open = new Map<string | number, ToldCall>();
  readonly #emit: (text: string) => void;
  #inputTokens: number | undefined;
  #outputTokens: number | undefined;
  #charged: number | undefined;

  constructor({ emit }: Pick<StepContext, 'emit'>) {
    this.#emit = emit;
  }

  /** Adds to what was said, and tells it as a partial result. */
  addText(text: unknown): void {
    if (typeof text !== 'string' || text === '') return;
    this.text += text;
    this.#emit(text);
  }

  /**
   * Adds to a call that is told in pieces. `at` is what tells the calls of one answer apart. Some servers give every call the same place:
   * there the next one is known by an id and a name of its own.
   */
  addToCall(at: string | number, { id, tool, text }: { id?: unknown; tool?: unknown; text?: unknown }): void {
    let call = this.#open.get(at);
    const isNamed = typeof id === 'string' && id !== '' && typeof tool === 'string' && tool !== '';
    if (call === undefined || (isNamed && call.tool !== '' && call.id !== '' && call.id !== id)) {
      call = { id: '', tool: '', text: '' };
      this.#open.set(at, call);
      this.#calls.push(call);
    }
    if (typeof id === 'string' && id !== '') call.id = id;
    if (typeof tool === 'string' && tool !== '') call.tool = tool;
    if (typeof text === 'string') call.text += text;
    else if (text !== undefined) call.text = JSON.stringify(text);
  }

  /**
   * Token counts as the provider told them last. Some tell NaN of what they do not know, which no store keeps.
   *
   * @param charged - The tokens of the input as they are charged, where some have a price of their own: what is read from a cache of
   *   the provider at a tenth of the price counts a tenth.
   */
  use(inputTokens: unknown, outputTokens: unknown, charged: unknown = inputTokens): void {
    if (isCount(inputTokens)) this.#inputTokens = inputTokens;
    if (isCount(outputTokens)) this.#outputTokens = outputTokens;
    if (isCount(charged)) this.#charged = charged;
  }

  /** All of it; with a price, `usage` has `usd`. */
  answer(price?: ModelPrice): ModelAnswer {
    const toolCalls = this.#calls.map(({ id, tool, text }, index): ToolCall => ({
      id: id === '' ? `call_${String(index)}` : id,
      tool: ownNames.get(this)?.get(tool) ?? tool,
      arguments: argumentsOf(text),
    }));
    const [inputTokens = 0, outputTokens = 0] = [this.#inputTokens, this.#outputTokens];
    const isCounted = this.#inputTokens !== undefined || this.#outputTokens !== undefined;
    const usd = price && ((this.#charged ?? 0) * price.input + outputTokens * price.output) / 1_000_000;
    const usage: ModelUsage = {
      inputTokens,
      outputTokens,
      tokens: inputTokens + outputTokens,
      ...(usd !== undefined && { usd }),
    };
    return {
      text: this.text,
      toolCalls,
      finish: this.finish,
      ...(isCounted && { usage }),
      ...(this.provider !== undefined && { provider: this.provider }),
    };
  }
}

/** The own names of tools that were told under others, by what collects the answer. */
const ownNames = new WeakMap<AnswerParts, ReadonlyMap<string, string>>();

function isCount(value: unknown): value is number {
  return Number.isFinite(value);
}

function argumentsOf(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The answer of a provider broke off, failed, or had nothing in it. The call is worth another try. */
export class ModelAnswerError extends MillraceError {
  override readonly name = 'ModelAnswerError';
  readonly code = 'MODEL_ANSWER';

  constructor(model: string, what: string, cause?: unknown) {
    super(
      `Cannot use the answer of model "${model}": ${what}`,
      'repeat the call, as `retry` does',
      cause === undefined ? {} : { cause },
    );
  }
}

/** What tracing says of a model. */
export interface AboutModel {
  /** The provider's name of the model; that of the agent when left out. */
  readonly model?: string;
  /** Whose it is, such as `openai`. */
  readonly provider?: string;
}

/** What tells the answers of a model apart from those of others; null where a part of it is not known. */
export function madeOf(
  client: unknown,
  parts: { readonly api: string; readonly model: string; readonly body: unknown },
): object | null {
  const { baseURL } = client as { readonly baseURL?: unknown };
  try {
    return typeof baseURL === 'string' ? { ...parts, baseURL, body: jsonValue(parts.body, '') } : null;
  } catch {
    return null; // A body that is not JSON says nothing that can be compared.
  }
}

/**
 * Makes an agent of one provider's way to answer.
 *
 * @param made - What tells its answers apart from those of others, as JSON; null where it is not known.
 */
export function modelFrom(
  name: string,
  { price, ...policy }: ModelOptions,
  ask: (request: ModelRequest, parts: AnswerParts, context: StepContext) => Promise<void>,
  about: AboutModel = {},
  made: object | null = null,
): Model {
  if (price !== undefined && !(price.input >= 0 && price.output >= 0))
    throw new InvalidArgumentError(
      `Cannot price the tokens of model "${name}"`,
      'give `input` and `output` in US dollars for a million tokens, 0 or more',
    );
  const call = async (request: ModelRequest, context: StepContext): Promise<ModelAnswer> => {
    const parts = new AnswerParts(context);
    await ask(request, parts, context);
    const answer = parts.answer(price);
    if (answer.text === '' && answer.toolCalls.length === 0 && answer.finish === 'other')
      throw new ModelAnswerError(name, 'it ended before anything was said');
    // Whoever shows the text alone would take it for the whole.
    if (answer.finish === 'length')
      context.log('WARNING', `The answer of model "${name}" is cut: it has reached its limit`, {
        outputTokens: answer.usage?.outputTokens,
      });
    return answer;
  };
  const model = tracedAs(agent(name, call, policy) as Model, { operation: 'chat', model: name, ...about });
  return madeWith(model, made);
}

type Ask = Parameters<typeof modelFrom>[2];

/**
 * Tells tools under names that every provider takes, of 64 letters, digits, `_` and `-` at most. The model asks for them by these, and the
 * answer has their own names again.
 */
export function withToolNames(ask: Ask): Ask {
  return async (request, parts, context) => {
    const names = toldNames(request);
    if (names.size === 0) {
      await ask(request, parts, context);
      return;
    }
    ownNames.set(parts, new Map([...names].map(([own, told]) => [told, own])));
    const told = (name: string): string => names.get(name) ?? name;
    const { tools } = request;
    const messages = request.messages.map((message): Message => {
      if (message.role === 'tool') return { ...message, tool: told(message.tool) };
      if (message.role !== 'assistant' || message.toolCalls === undefined) return message;
      return { ...message, toolCalls: message.toolCalls.map((call) => ({ ...call, tool: told(call.tool) })) };
    });
    const asked = {
      ...request,
      messages,
      ...(tools !== undefined && { tools: tools.map((tool) => ({ ...tool, name: told(tool.name) })) }),
    };
    await ask(asked, parts, context);
  };
}

const TOLD_AS_IT_IS = /^[A-Za-z0-9_-]{1,64}$/;

/** Other names for those that not every provider takes. Tools come first, so that theirs stay as the conversation grows. */
function toldNames({ tools = [], messages }: ModelRequest): ReadonlyMap<string, string> {
  const inMessages = messages.flatMap((message) => {
    if (message.role === 'tool') return [message.tool];
    return message.role === 'assistant' ? (message.toolCalls ?? []).map(({ tool }) => tool) : [];
  });
  const all = new Set([...tools.map(({ name }) => name), ...inMessages]);
  const names = new Map<string, string>();
  const taken = new Set([...all].filter((name) => TOLD_AS_IT_IS.test(name)));
  for (const name of all) {
    if (taken.has(name)) continue;
    const letters = name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 60);
    const base = /[A-Za-z0-9]/.test(letters) ? letters : 'tool';
    let told = base;
    for (let count = 2; taken.has(told); count += 1) told = `${base}_${String(count)}`;
    taken.add(told);
    names.set(name, told);
  }
  return names;
}

/** A connection that is cut ends some streams without an error. */
export function checkWhole(name: string, { finish }: AnswerParts): void {
  if (finish === 'other') throw brokenOff(name);
}

/** The stream of an answer ended before the model said that it was done. */
export function brokenOff(name: string): ModelAnswerError {
  return new ModelAnswerError(name, 'its stream ended before the answer was whole');
}

/** Arguments of a tool as providers take them back: an object. What was no JSON, or other JSON, comes back as what it was. */
export function objectOf(args: unknown): object {
  return typeof args === 'object' && args !== null && !Array.isArray(args) ? args : { arguments: args };
}

/** What the model is told first, with the form of the answer in words, for providers that cannot be held to one. */
export function systemText({ messages, output }: ModelRequest): string | undefined {
  const system = messages.flatMap((message) => (message.role === 'system' ? [message.content] : []));
  if (output !== undefined)
    system.push(`Answer with nothing but JSON that fits this JSON Schema: ${JSON.stringify(output.schema)}`);
  return system.length === 0 ? undefined : system.join('\n\n');
}
