import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { tool, toolLoop } from '../../../adapters/ai/index';
import { t } from '../../../fp';
import { agent, lowdbStore, run } from '../../../index';
import { fakeModel } from '../../../testing/index';

/*
 * A toolLoop that writes down, outside of its store, which call begins, and which end it was told. `killedLoop.js FOLDER MS` kills itself
 * so many milliseconds after its first event; it tells its output, and how long it took, when it completes.
 */
const [folder = '', ms = ''] = process.argv.slice(2);
const write = (what: string, path: string): void => {
  appendFileSync(join(folder, 'effects'), `${what} ${path}\n`);
};

const look = agent(
  'look up',
  async ({ word }: { readonly word: string }, { path }) => {
    write('begins', path);
    await pause(word.length);
    if (word === 'bad') throw new Error('no such word');
    return `${word} is a word`;
  },
  { input: t.type({ word: t.string }) },
);

const words = ['a', 'bad', 'considerable'];
const model = fakeModel(({ messages }) => {
  const round = messages.filter(({ role }) => role === 'assistant').length;
  if (round === 4) return { text: ['they ', 'are ', 'words'], everyMs: 2 };
  return {
    text: ['round ', String(round)],
    everyMs: 2,
    toolCalls: words.slice(0, round + 1).map((word) => ({ tool: 'look up', arguments: { word } })),
  };
});
const assistant = toolLoop('assistant', {
  model,
  tools: [tool(look, { description: 'Looks a word up.' })],
});

const store = lowdbStore(join(folder, 'state'), { durability: 'process' });
let begunAt: number | undefined;
run(assistant, 'words?', { store, runId: 'words' }).subscribe({
  next: ({ event }) => {
    if (begunAt === undefined && ms !== 'never')
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(ms));
    begunAt ??= performance.now();
    if (event.type === 'step.started' && event.path.endsWith('/model')) write('begins', event.path);
    if (event.type === 'step.completed') write('told', event.path);
    if (event.type !== 'run.completed') return;
    write('took', String(performance.now() - begunAt));
    write('output', JSON.stringify(event.output));
  },
  error: (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
  complete: () => void store.close(),
});
