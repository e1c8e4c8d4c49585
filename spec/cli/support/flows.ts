import { agent, approval, each, workflow } from '../../../index';
import type { Wire } from '../../../index';
import { t } from '../../../fp';

const load = agent('load', (pages: number) => Array.from({ length: pages }, (_, page) => page));
const ocr = agent(
  'ocr',
  (page: number, context) => {
    context.log('INFO', `reading page ${page}`, { page });
    if (page === 2) throw new Error('scanner jammed on page 2', { cause: new Error('no paper') });
    return { page, words: page * 3 };
  },
  { retry: { count: 2, delayMs: 1 } },
);
const stats = agent('stats', (pages: readonly object[]) => pages.length, { critical: true });
const write = agent('write', (count: number) => `${count} pages`);

/** Fails at its third page. */
export const book = workflow('book', (input: Wire<number>, step) => {
  const loaded = step('load', load, input);
  const pages = step('pages', each('pages', ocr, { concurrency: 1 }), loaded);
  return step('write', write, step('stats', stats, pages));
});

/** Waits for an answer. */
export const contract = workflow('contract', (input: Wire<string>, step) => {
  const draft = step(
    'draft',
    agent('draft', (text: string) => ({ text })),
    input,
  );
  const sign = step('sign', approval('sign', t.type({ ok: t.boolean })), draft);
  return step(
    'file',
    agent('file', (answer: { readonly ok: boolean }) => answer),
    sign,
  );
});

/** Completes; everything has a Korean name. */
export const review = workflow('계약검토', (input: Wire<string>, step) =>
  step(
    '초안',
    agent('초안', (text: string) => `${text} 초안`),
    input,
  ),
);
