/*
 * A research assistant without a network and without a key. It plans what to look up, reads what it finds with a local
 * language model (wink-nlp), writes an answer that is checked while it is still being written, and asks before it publishes.
 *
 *   npx ts-node examples/research-assistant.ts "Who has a right to rest and education?"      works, then waits for you
 *   npx ts-node examples/research-assistant.ts yes                                           publishes (or: no)
 *
 * Kill it whenever you like and start it again: nothing that was finished is done twice.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { firstValueFrom, tap } from 'rxjs';
import model from 'wink-eng-lite-web-model';
import winkNLP from 'wink-nlp';

import { t } from '../fp';
import {
  agent,
  answer,
  approval,
  budget,
  each,
  fallback,
  live,
  lowdbStore,
  NonRetryableError,
  resume,
  run,
  workflow,
} from '../index';
import type { Transition, Wire } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

/* eslint-disable @typescript-eslint/unbound-method -- what `its` holds are plain functions */
const nlp = winkNLP(model);
const { its } = nlp;
const [, ...articles] = readFileSync(join(__dirname, 'data', 'udhr-eng.txt'), 'utf8').split(
  /\n\n(?=Article)/,
);

/** The words of a text that carry its meaning, in their basic form. */
const keywords = (text: string): readonly string[] =>
  nlp
    .readDoc(text)
    .tokens()
    .filter((token) => token.out(its.type) === 'word' && !token.out(its.stopWordFlag))
    .out(its.lemma as typeof its.normal); // Its types leave out that a list takes it too.

/** Each of these once, the most frequent first. */
function byFrequency<T>(items: readonly T[]): readonly T[] {
  const counts = items.reduce((all, item) => all.set(item, (all.get(item) ?? 0) + 1), new Map<T, number>());
  return [...counts].sort(([, a], [, b]) => b - a).map(([item]) => item);
}

// --- the agents ---

const findTerms = agent('terms', (question: string) => [...new Set(keywords(question))]);

const lookUp = agent('look up', (term: string) =>
  articles.flatMap((article, index) => (keywords(article).includes(term) ? [index] : [])),
);

/** Decides while it runs what to look up: each search is a durable step of its own, `plan/look up right`. */
const plan = agent('plan', async (question: string, ctx) => {
  const terms = await firstValueFrom(ctx.step('terms', findTerms, question));
  const searches = terms.map((term) => firstValueFrom(ctx.step(`look up ${term}`, lookUp, term)));
  const found = byFrequency((await Promise.all(searches)).flat());
  return found.slice(0, 5).map((index) => ({ article: articles[index] ?? '', terms }));
});

/** The sentence of an article that says most about the terms. */
const read = agent('read', async ({ article, terms }: { article: string; terms: readonly string[] }) => {
  await sleep(50); // A real model takes its time.
  const [title = '', ...text] = article.split('\n');
  const matches = (sentence: string): number =>
    keywords(sentence).filter((word) => terms.includes(word)).length;
  const [quote = ''] = nlp
    .readDoc(text.join(' ').replace(/\b\d+\. /g, ''))
    .sentences()
    .out()
    .sort((a, b) => matches(b) - matches(a));
  return { title, quote };
});

interface Note {
  readonly title: string;
  readonly quote: string;
}

/** Writes word by word and says what each costs; the output is the whole text. */
const write = agent(
  'write',
  async function* (notes: readonly Note[]) {
    const text = notes.map(({ title, quote }) => `${quote} [${title}]`).join('\n');
    for (const word of text.split(/(?<=\s)/)) {
      await sleep(4);
      yield { text: word, usage: { tokens: 1 } };
    }
  },
  { reduce: { seed: '', fold: (text, word) => text + word.text } },
);

/** Checks the sources of an answer while it is being written. */
const check = agent('check', async (words: AsyncIterable<{ readonly text: string }>, ctx) => {
  let line = '';
  let sources = 0;
  for await (const { text } of words) {
    line += text;
    const source = /\[(Article \d+)\]/.exec(line)?.[1];
    if (source === undefined) continue;
    if (!articles.some((article) => article.startsWith(source))) throw new Error(`there is no ${source}`);
    sources += 1;
    ctx.log('INFO', `${source} exists`);
    line = '';
  }
  return sources;
});

const askRemoteModel = agent('remote model', (_: readonly Note[]): string => {
  throw new NonRetryableError('no key for the remote model');
});
const ownHeadline = agent('own headline', ({ input: notes }: { input: readonly Note[] }) =>
  byFrequency(keywords(notes.map(({ quote }) => quote).join(' ')))
    .slice(0, 3)
    .join(', '),
);

// --- how they work together ---

const research = workflow('research', (question: Wire<string>, step) => {
  const sources = step('plan', plan, question);
  const notes = step('articles', each('articles', read, { concurrency: 2 }), sources);
  const headline = step('headline', fallback('headline', askRemoteModel, ownHeadline), notes);
  const text = step('write', write, notes);
  const checked = step('check', check, live(text));
  const draft = { headline, text, checked };
  const isWanted = step('publish', approval('publish', t.boolean), draft);
  return step(
    'report',
    ({ headline, text, checked, isWanted }) =>
      isWanted ? `${headline.toUpperCase()}\n\n${text}\n\n(${checked} sources)` : 'Not published.',
    { ...draft, isWanted },
  );
});

// --- one start of the program ---

const store = lowdbStore(process.env['MILLRACE_STATE'] ?? join(tmpdir(), 'millrace-research'));
const runId = 'research';
const [given = 'Who has a right to rest and education?'] = process.argv.slice(2);

async function main(): Promise<void> {
  const isNew = (await store.loadRun(runId)) === undefined;
  if (given === 'yes' || given === 'no') await answer(runId, 'publish', given === 'yes', { store });
  (isNew ? run(research, given, { store, runId }) : resume(research, runId, { store }))
    .pipe(tap(show), budget({ tokens: 5_000, ms: 60_000 }))
    .subscribe({
      error: (error: unknown) => {
        console.error(`\n${String(error)}`);
        process.exitCode = 1;
      },
      complete: () => void leave(),
    });
}

/** A finished run is forgotten, so that the next start begins anew. */
async function leave(): Promise<void> {
  if ((await store.loadRun(runId))?.status === 'COMPLETED') await store.deleteRun(runId);
  await store.close();
}

let isInLine = false;

function say(line: string): void {
  console.log(isInLine ? `\n${line}` : line);
  isInLine = false;
}

function show({ event }: Transition): void {
  switch (event.type) {
    case 'run.resumed':
      say(`the run goes on: life ${event.life}, ${event.reused} steps reused`);
      break;
    case 'step.emitted': {
      const { text } = event.value as { readonly text: string };
      process.stdout.write(text);
      isInLine = !text.endsWith('\n');
      break;
    }
    case 'step.logged':
      say(`${event.path}: ${event.message}`);
      break;
    case 'step.completed':
      say(`${event.path} done`);
      break;
    case 'step.failed':
      say(`${event.path} failed: ${event.error.message}`);
      break;
    case 'run.suspended':
      say(`waiting for "${event.waiting.join()}": start me again with yes or no`);
      break;
    case 'run.completed':
      say(`\n${String(event.output)}`);
      break;
    default:
  }
}

main().catch((error: unknown) => {
  console.error(String(error));
  process.exitCode = 1;
});
