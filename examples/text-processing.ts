/*
 * Text processing: load, normalize, then statistics and key terms side by side, then a report.
 * The Universal Declaration of Human Rights, in English and in Korean.
 *
 *   npx ts-node examples/text-processing.ts [file.txt ...]
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { from, tap } from 'rxjs';

import { E } from '../fp';
import { agent, outcomes, runEach, runSummary, workflow } from '../index';
import type { RunEvent, Wire } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const load = agent('load', (file: string) => readFile(file, 'utf8'));

const normalize = agent('normalize', (text: string) => text.normalize('NFC').toLowerCase());

const analyze = agent('analyze', (text: string) => {
  const words = wordsOf(text);
  const sentences = text.split(/[.!?]\s|\n+/).filter((sentence) => sentence.trim() !== '').length;
  return { words: words.length, distinct: new Set(words).size, sentences };
});

const keyTerms = agent('key terms', (text: string) => {
  const counts = new Map<string, number>();
  for (const word of wordsOf(text).map(stem)) {
    if (word.length > 1 && !tooCommon.has(word)) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, 5);
});

const textReport = workflow('text processing', (file: Wire<string>, step) => {
  const text = step('load', load, file);
  const clean = step('normalize', normalize, text);
  const numbers = step('analyze', analyze, clean);
  const terms = step('key terms', keyTerms, clean);
  return step(
    'report',
    ({ numbers: { words, distinct, sentences }, terms }) =>
      [
        `${words} words, ${distinct} of them distinct, in ${sentences} sentences`,
        `most frequent: ${terms.map(([word, count]) => `${word} (${count})`).join(', ')}`,
      ].join('\n'),
    { numbers, terms },
  );
});

const data = join(__dirname, 'data');
const given = process.argv.slice(2);
const files = given.length > 0 ? given : [join(data, 'udhr-eng.txt'), join(data, 'udhr-kor.txt')];

from(files)
  .pipe(
    runEach(textReport, { concurrency: 1, runId: (file) => basename(file, '.txt') }),
    tap(({ event }) => console.log(`${event.runId}  ${inWords(event)}`)),
    outcomes(),
  )
  .subscribe((outcome) => {
    const { state } = E.isRight(outcome) ? outcome.right : outcome.left;
    console.log(`\n${runSummary(state)}\n`);
    if (E.isRight(outcome)) console.log(`${outcome.right.output}\n`);
    else process.exitCode = 1;
  });

function inWords(event: RunEvent): string {
  const path = 'path' in event ? ` ${event.path}` : '';
  const seconds = 'duration' in event ? `  ${(event.duration * 1000).toFixed(1)} ms` : '';
  return `${event.type}${path}${seconds}`;
}

function wordsOf(text: string): readonly string[] {
  return text.match(/\p{L}+/gu) ?? [];
}

/** Korean words without the particle at their end: 권리를, 권리의 and 권리가 are one term. */
function stem(word: string): string {
  return word.replace(/(?<=[가-힣]{2})(으로|에서|에게|까지|은|는|이|가|을|를|의|에|와|과|로|도)$/u, '');
}

const tooCommon = new Set(
  (
    'the of and to in or his be a by for with as this shall such any which all on from an it are is has have no not ' +
    'that their at its article everyone other one may if also was been him her he they these those 모든 사람 및 또는 그 이 자신 어느 ' +
    '누구 있다 있는 가진다 받을 이러한 아니한다 그리고 모든 위한 대한 대하여 통하여 위하여 다른 어떠한 같은 여하 등 것 수 한다 하는'
  ).split(' '),
);
