import type * as t from 'io-ts';

import { jsonSchemaOf } from '../lib/codec/jsonSchema';
import type { Definition } from '../lib/definition/definition';
import { definitionAt } from '../lib/definition/definitionAt';
import { NoJsonSchemaError } from '../lib/errors/definitionErrors';
import type { RunState } from '../lib/model/state';
import type { StepResult } from '../lib/model/stepResult';
import { openQuestions } from '../lib/store/summary';
import { agentsOf } from './agentFiles';
import type { Settings } from './settings';
import { namesAgents } from './settings';

/** A schema of answers, as far as it is read here. */
export interface AnswerSchema {
  readonly type?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: AnswerSchema;
  readonly anyOf?: readonly AnswerSchema[];
  readonly properties?: Readonly<Record<string, AnswerSchema>>;
  readonly required?: readonly string[];
}

/** What answers look like; undefined where no JSON Schema says it. */
export function answerSchemaOf(answers: t.Type<unknown, unknown>): AnswerSchema | undefined {
  try {
    return jsonSchemaOf(answers);
  } catch (error) {
    if (error instanceof NoJsonSchemaError) return undefined;
    throw error;
  }
}

/** What stands for an answer of which nothing is known. */
export const anyAnswer = '<json>';

/** The shapes of the answers that a run waits for, by the paths of its steps, where the configured agents say them. */
export async function answerShapes(
  state: RunState,
  settings: Settings,
): Promise<ReadonlyMap<string, string>> {
  const open = openQuestions(state);
  const needsAgents = namesAgents(settings) && open.some((row) => !asksForTool(row));
  const agents = needsAgents ? await agentsOf(settings, 'tell what is asked') : undefined;
  const agent = agents?.get(state.name)?.agent;
  return new Map(
    open.map((row) => {
      const definition = agent && definitionAt(agent, row.stepId);
      return [row.stepId, answerShape(row, definition === 'unknown' ? undefined : definition)];
    }),
  );
}

/** The shape of an answer in one line, such as `{"ok":<boolean>}`: not JSON, so that nobody sends it as it is. */
export function answerShape(row: StepResult | undefined, definition: Definition | undefined): string {
  if (row !== undefined && asksForTool(row)) return '{"approved":<boolean>}';
  if (definition?.kind !== 'approval' || definition.answers === undefined) return anyAnswer;
  const shape = shapeText(answerSchemaOf(definition.answers));
  return shape.length > LONGEST ? anyAnswer : shape;
}

/** Characters: a longer shape is harder to read than the codec of the agent. */
const LONGEST = 200;

function shapeText(schema: AnswerSchema | undefined): string {
  if (schema === undefined) return anyAnswer;
  const { type, enum: choices, items, anyOf, properties, required = [] } = schema;
  if ('const' in schema) return JSON.stringify(schema.const);
  if (choices !== undefined) return choices.map((each) => JSON.stringify(each)).join('|');
  if (anyOf !== undefined) return [...new Set(anyOf.map(shapeText))].join('|');
  if (properties !== undefined) {
    const fields = Object.entries(properties).map(
      ([name, each]) => `${JSON.stringify(name)}${required.includes(name) ? '' : '?'}:${shapeText(each)}`,
    );
    return `{${fields.join(',')}}`;
  }
  if (type === 'array') return `[${shapeText(items)}]`;
  if (typeof type === 'string') return `<${type}>`;
  return Array.isArray(type) ? type.map((each) => `<${String(each)}>`).join('|') : anyAnswer;
}

/** Whether a step of `toolLoop()` asks for permission to call a tool: its path and its question name the same call of the same tool. */
export function asksForTool({ stepId, agent, request }: StepResult): boolean {
  const [, id, tool] = /(?:^|\/)tools\[("(?:[^"\\]|\\.)*")\]\/tool\/(.+)\/approve$/.exec(stepId) ?? [];
  if (id === undefined || agent !== 'approve' || typeof request !== 'object' || request === null)
    return false;
  const call = request as { readonly id?: unknown; readonly tool?: unknown };
  return 'arguments' in request && call.id === JSON.parse(id) && call.tool === tool;
}
