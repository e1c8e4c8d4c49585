/*
 * A run that survives its own process: in its first life the fourth step kills the process with SIGKILL.
 * Start it again, and it goes on where it stood.
 *
 *   npx ts-node examples/resume-after-crash.ts        killed half-way
 *   npx ts-node examples/resume-after-crash.ts        goes on, and completes
 */
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { agent, chain, lowdbStore, run, runSummary } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const store = lowdbStore(process.env['MILLRACE_STATE'] ?? join(tmpdir(), 'millrace-resume-after-crash'));

interface Article {
  readonly title: string;
  readonly words: number;
}

const load = agent('load', (file: string) => readFile(file, 'utf8'));

const split = agent('split', async (text: string) => {
  await sleep(150);
  return text.split('\n\n').slice(2);
});

const count = agent('count', async (articles: readonly string[]) => {
  await sleep(150);
  return articles.map((text): Article => ({
    title: text.split('\n')[0] ?? '',
    words: text.split(/\s+/).length,
  }));
});

const rank = agent('rank', async (articles: readonly Article[], { attempt }) => {
  await sleep(150);
  if (attempt === 1) {
    console.log('rank   kills the process now');
    process.kill(process.pid, 'SIGKILL');
  }
  return articles.toSorted((a, b) => b.words - a.words);
});

const select = agent('select', async (articles: readonly Article[]) => {
  await sleep(150);
  return articles.slice(0, 3);
});

const print = agent('print', (articles: readonly Article[]) =>
  articles.map(({ title, words }) => `${title}: ${words} words`).join('\n'),
);

const longest = chain('longest articles', load, split, count, rank, select, print);

run(longest, join(__dirname, 'data', 'udhr-eng.txt'), { store, runId: 'longest' }).subscribe({
  next: ({ event, state }) => {
    if (event.type === 'run.started') console.log('a new run');
    if (event.type === 'run.resumed') {
      console.log(`the run goes on: life ${event.life}`);
      for (const step of state.steps)
        if (step.status === 'COMPLETED') console.log(`${step.stepId.padEnd(6)} reused`);
    }
    if (event.type === 'step.started') console.log(`${event.path.padEnd(6)} runs`);
    if (event.type === 'run.completed') console.log(`\n${runSummary(state)}\n\n${String(event.output)}`);
  },
  error: (error: unknown) => {
    console.error(String(error));
    process.exitCode = 1;
  },
  complete: () => void forget(),
});

/** So that the next start begins anew. */
async function forget(): Promise<void> {
  await store.deleteRun('longest');
  await store.close();
}
