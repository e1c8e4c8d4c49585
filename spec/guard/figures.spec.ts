import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(__dirname, '../..');
const pages = [
  'README.md',
  'README.ko.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(root, 'docs'), { recursive: true }).map((page) => `docs/${page as string}`),
].filter((page) => page.endsWith('.md'));

const MEASURED = /<!-- bench:begin -->(.*)<!-- bench:end -->/s;
/** What a page says about speed: microseconds, and how many times as much something is. */
const FIGURE =
  /(?<![\w.,])\d[\d.,]*(?:\s?(?:ns|us|µs)\b|x\b|\s?times (?:as|faster|slower|cheaper|dearer)\b)/g;

/** The figures of a text that were not measured: those that do not stand in the part that `npm run bench` has written. */
function unmeasured(text: string, measured: string): readonly string[] {
  return [...text.replace(MEASURED, '').matchAll(FIGURE)]
    .map(([figure]) => figure)
    .filter((figure) => !measured.includes(figure));
}

describe('figures of speed', () => {
  const measured = MEASURED.exec(readFileSync(join(root, 'docs/performance.md'), 'utf8'))?.[1] ?? '';

  it('stand in docs/performance.md, between the marks where npm run bench writes', () => {
    expect(measured).toContain('Millrace at ');
    expect(measured).toContain('## Goals');
  });

  it.each(pages)('%s quotes none that the benchmark has not written', (page) => {
    expect(unmeasured(readFileSync(join(root, page), 'utf8'), measured)).toEqual([]);
  });

  it('are found wherever they stand', () => {
    const text =
      'It takes 12 us, or 3.4 µs, 2.5x of RxJS, 40 times as much, in 30 ms, at 0x1f, as 4 times a day.';

    expect(unmeasured(text, '')).toEqual(['12 us', '3.4 µs', '2.5x', '40 times as']);
    expect(unmeasured(text, '| 12 us | 2.5x |')).toEqual(['3.4 µs', '40 times as']);
    expect(unmeasured(`<!-- bench:begin -->${text}<!-- bench:end -->`, '')).toEqual([]);
  });
});
