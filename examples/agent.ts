/*
 * An assistant that answers by working with tools, and loses nothing when it is killed. Offline it plays a script; with a key or an
 * address of yours it asks a model (npm install openai, or @anthropic-ai/sdk).
 *
 *   npx ts-node examples/agent.ts --die                           killed after its first tool
 *   npx ts-node examples/agent.ts                                 goes on, and answers
 *   OPENAI_API_KEY=… npx ts-node examples/agent.ts "Which island has the most penguins?"
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { AnthropicClient, Model, OpenAiClient } from '../adapters/ai/index';
import { anthropicModel, openAiModel, tool, toolLoop } from '../adapters/ai/index';
import { t } from '../fp';
import { agent, lowdbStore, run } from '../index';
import { fakeModel } from '../testing/index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const { MILLRACE_STATE, OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL, ANTHROPIC_API_KEY, ANTHROPIC_MODEL } =
  process.env;
const store = lowdbStore(MILLRACE_STATE ?? join(tmpdir(), 'millrace-agent'));

type Penguin = Readonly<Record<string, string | number | null>>;

const measure = agent(
  'measure',
  async ({ species }: { readonly species: string }) => {
    const all = JSON.parse(
      await readFile(join(__dirname, 'data', 'penguins.json'), 'utf8'),
    ) as readonly Penguin[];
    const masses = all
      .filter(({ Species }) => Species === species)
      .map((one) => Number(one['Body Mass (g)']));
    if (masses.length === 0) throw new Error(`no species "${species}", only Adelie, Chinstrap and Gentoo`);
    return {
      species,
      count: masses.length,
      meanMassG: Math.round(masses.reduce((a, b) => a + b) / masses.length),
    };
  },
  { input: t.type({ species: t.string }) },
);

const script = fakeModel([
  {
    text: 'I measure them.',
    toolCalls: ['Adelie', 'Gentoo', 'Emperor'].map((species) => ({
      tool: 'measure',
      arguments: { species },
    })),
  },
  { toolCalls: [{ tool: 'measure', arguments: { species: 'Chinstrap' } }] },
  {
    text: ['Gentoo ', 'penguins ', 'are ', 'the ', 'heaviest, ', 'at ', 'about ', '5.1 ', 'kg.'],
    everyMs: 30,
  },
]);

const isSet = (value: string | undefined): boolean => value !== undefined && value !== '';

function chosenModel(): Model {
  // You only need the package that you use; it is looked for where you start this.
  const load = (name: string): new () => unknown =>
    (createRequire(join(process.cwd(), 'package.json'))(name) as { readonly default: new () => unknown })
      .default;
  if (isSet(OPENAI_API_KEY) || isSet(OPENAI_BASE_URL))
    return openAiModel('model', new (load('openai'))() as OpenAiClient, {
      model: OPENAI_MODEL ?? 'gpt-5-mini',
      retry: 3,
    });
  if (isSet(ANTHROPIC_API_KEY))
    return anthropicModel('model', new (load('@anthropic-ai/sdk'))() as AnthropicClient, {
      model: ANTHROPIC_MODEL ?? 'claude-sonnet-4-5',
      retry: 3,
    });
  return script;
}

function main(given: readonly string[]): void {
  const [question = 'Which penguins are the heaviest?'] = given.filter((arg) => !arg.startsWith('--'));
  const tools = [
    tool(measure, { description: 'How many penguins of a species were weighed, and their mean mass.' }),
  ];
  const assistant = toolLoop('assistant', {
    model: chosenModel(),
    tools,
    system: 'Answer in one sentence.',
  });

  run(assistant, question, { store, runId: question }).subscribe({
    next: ({ event, state }) => {
      if (event.type === 'run.resumed') console.log(`the run goes on: life ${state.life}`);
      if (event.type === 'step.emitted') process.stdout.write(String(event.value));
      if (event.type === 'run.completed') console.log(`\n${String(state.output?.messages.length)} messages`);
      if (event.type !== 'step.completed' || !event.path.endsWith('/call')) return;
      console.log(`\n${event.path}: ${JSON.stringify(event.output)}`);
      if (given.includes('--die')) process.kill(process.pid, 'SIGKILL');
    },
    error: (error: unknown) => {
      console.error(String(error));
      process.exitCode = 1;
    },
    complete: () => void store.close(),
  });
}

main(process.argv.slice(2));
