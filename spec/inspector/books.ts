import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Wire } from '../../lib/definition/wire';
import type { Agent } from '../../lib/model/agentType';
import type { Store } from '../../lib/store/store';
import { agent } from '../../operators/agents/agent';
import { approval } from '../../operators/agents/approval';
import { each } from '../../operators/agents/each';
import { workflow } from '../../operators/agents/workflow';
import { run } from '../../operators/runs/run';

/** What a book is made of. */
export interface Book {
  readonly pages: number;
  /** The page on which the scanner jams. */
  readonly jam?: number;
  /** How long a page takes, milliseconds. */
  readonly ms?: number;
}

const BookCodec: t.Type<Book, unknown> = t.intersection([
  t.type({ pages: t.number }),
  t.partial({ jam: t.number, ms: t.number }),
]);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Page {
  readonly page: number;
  readonly jams: boolean;
  readonly ms: number;
}

const load = agent(
  'load',
  async ({ pages, jam, ms = 0 }: Book, context) => {
    context.log('INFO', `the book has ${pages} pages`, { pages });
    await pause(ms);
    return Array.from({ length: pages }, (_, page): Page => ({ page, jams: page === jam, ms }));
  },
  { input: BookCodec },
);

const ocr = agent(
  'ocr',
  async ({ page, jams, ms }: Page, context) => {
    if (ms > 0) await pause(ms + (page % 4) * ms * 0.5);
    if (page % 25 === 5 && context.attempt === 1) {
      context.log('WARNING', `page ${page} is hard to read, once more`);
      throw Object.assign(new Error(`timed out on page ${page}`), { code: 'ETIMEDOUT' });
    }
    if (jams)
      throw new Error(`scanner jammed on page ${page}`, {
        cause: Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }),
      });
    return {
      page,
      words: 12 + ((page * 7) % 11),
      text: `Page ${page}: all human beings are born free and equal.`,
    };
  },
  { retry: { count: 2, delayMs: 4 } },
);

interface Read {
  readonly page: number;
  readonly words: number;
}

/** A book that is read page by page: `load`, `pages[n]/ocr`, `stats`, `topics`, `write`. */
export const book = workflow(
  'book',
  (input: Wire<Book>, step) => {
    const all = step('load', load, input);
    const pages = step('pages', each('pages', ocr, { concurrency: 4 }), all);
    const stats = step(
      'stats',
      (read: Read[]) => ({ words: read.reduce((sum, { words }) => sum + words, 0), pages: read.length }),
      pages,
    );
    const topics = step(
      'topics',
      async (read: Read[]) => {
        await pause(3);
        return read.slice(0, 5).map(({ page }) => `topic ${page}`);
      },
      pages,
    );
    return step(
      'write',
      agent(
        'write',
        ({ stats, topics }: { stats: { words: number }; topics: string[] }) => ({
          title: 'On being born free',
          words: stats.words,
          topics,
        }),
        { critical: true },
      ),
      { stats, topics },
    );
  },
  { input: BookCodec },
);

/** A contract that somebody has to sign. */
export const contract = workflow('contract', (input: Wire<{ customer: string; amount: number }>, step) => {
  const draft = step(
    'draft',
    ({ customer, amount }: { customer: string; amount: number }) => ({
      text: `Contract with ${customer} over ${amount} EUR`,
      amount,
    }),
    input,
  );
  const check = step(
    'check',
    async ({ amount }: { text: string; amount: number }) => {
      await pause(12);
      return { risk: amount > 1000 ? 'high' : 'low' };
    },
    draft,
  );
  const sign = step('sign', approval('sign', t.type({ ok: t.boolean })), { draft, check });
  return step(
    'file',
    ({ sign }: { sign: { ok: boolean }; draft: { text: string } }) => (sign.ok ? 'signed' : 'rejected'),
    { sign, draft },
  );
});

/** Steps as flat as can be, for large runs. */
export const survey = workflow('survey', (input: Wire<number>, step) => {
  const all = step('people', (count: number) => Array.from({ length: count }, (_, index) => index), input);
  const answers = step(
    'answers',
    each(
      'answers',
      agent('ask', (person: number) => ({ person, score: person % 10 })),
      { concurrency: 32 },
    ),
    all,
  );
  return step(
    'sum',
    (given: { score: number }[]) => given.reduce((sum, { score }) => sum + score, 0),
    answers,
  );
});

/** Runs an agent to its rest, whatever that is. */
export async function finish(
  agentOf: Agent<never, unknown>,
  input: unknown,
  store: Store,
  runId: string,
  tags?: Record<string, string>,
): Promise<void> {
  await lastValueFrom(
    run(agentOf as Agent<unknown, unknown>, input, {
      store,
      runId,
      recordInputs: true,
      ...(tags && { tags }),
    }),
    { defaultValue: undefined },
  ).catch(() => undefined);
}
