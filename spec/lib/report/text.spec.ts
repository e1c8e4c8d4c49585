import fc from 'fast-check';
import stringWidth from 'string-width';

import { formatPercent, formatSeconds, formatShortPercent } from '../../../lib/metrics/figures';
import { goOnText } from '../../../lib/report/goOn';
import { commandText } from '../../../lib/report/shellText';
import { clipped, columns, durationText, padded, printable, widthOf } from '../../../lib/report/columns';

describe('columns()', () => {
  it('aligns Korean, Latin and emoji cells', () => {
    expect(
      columns([
        ['단계', 'x', 'end'],
        ['a', '가나다', 'end'],
        ['🙂', '', 'end'],
      ]),
    ).toEqual(['단계  x       end', 'a     가나다  end', '🙂            end']);
    expect(columns([])).toEqual([]);
  });

  it('aligns Korean that is written as its letters, as the file names of macOS are', () => {
    const letters = '단계'.normalize('NFD');
    expect(
      columns([
        [letters, 'end'],
        ['a', 'end'],
      ]),
    ).toEqual([`${letters}  end`, 'a     end']);
    expect(clipped('단어 세기'.normalize('NFD'), 5)).toBe('단어…');
  });
});

describe('clipped() and padded()', () => {
  it('never take more columns than they may, whatever the text', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('가', 'a', '🙂', ' ', 'é')), fc.nat(30), (parts, width) => {
        const text = parts.join('');
        expect(widthOf(clipped(text, width))).toBeLessThanOrEqual(width);
        expect(stringWidth(padded(clipped(text, width), width))).toBe(width);
        if (stringWidth(text) <= width) expect(clipped(text, width)).toBe(text);
      }),
      { seed: 4 },
    );
  });
});

describe('printable()', () => {
  it('keeps a text on its line and harmless to the screen', () => {
    expect(printable('a\n\tb\u001b[31mc\u2028d\u202ee')).toBe('a b [31mc d e');
  });
});

describe('commandText()', () => {
  it('quotes what a shell would read otherwise', () => {
    expect(commandText(['millrace', 'show'], ["it's 1"], '--tree')).toBe(`millrace show 'it'\\''s 1' --tree`);
    expect(commandText(['millrace', 'list'], [])).toBe('millrace list');
  });

  it('puts operands that begin as options do behind --', () => {
    expect(commandText(['millrace', 'answer'], ['-r', 'ok', '<json>'], '--store ./s')).toBe(
      "millrace answer --store ./s -- -r ok '<json>'",
    );
    expect(goOnText('-r')).toContain('npx millrace resume --agents <file> -- -r;');
  });
});

describe('numbers as text', () => {
  it.each([
    [0, '0 ms'],
    [0.0004, '0 ms'],
    [0.12, '120 ms'],
    [0.9994, '999 ms'],
    [0.9996, '1.0 s'],
    [59.94, '59.9 s'],
    [59.96, '1 min 00 s'],
    [185, '3 min 05 s'],
    [3_599.6, '1 h 00 min'],
    [7_620, '2 h 07 min'],
  ])('%d s as a duration is %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });

  it.each([
    [0, '0.0'],
    [2.5, '2.5'],
    [12.34, '12.3'],
    [0.5, '0.50'],
    [0.0123, '0.012'],
    [0.000_012_3, '0.000012'],
    [1e-9, '0.0'],
  ])('%d in a report is %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });

  it.each([
    [90, '90.0', '90'],
    [200 / 3, '66.7', '66.7'],
    [99.99, '99.9', '99.9'],
    [100, '100.0', '100'],
    [0.001, '0.1', '0.1'],
    [0, '0.0', '0'],
  ])('%d percent is %s, or short %s', (percent, long, short) => {
    expect(formatPercent(percent)).toBe(long);
    expect(formatShortPercent(percent)).toBe(short);
  });
});
