import { fileName } from '../../../lib/store/folder/layout';
import { amount, seedOr, tally } from '../../support/torture';
import { random } from './support/random';

const listed = [
  '../x',
  '..',
  '.',
  '/',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'nul\0',
  'CON',
  'con',
  'Con.txt',
  'aux',
  'COM1',
  'lpt9',
  'PRN',
  '__proto__',
  'constructor',
  'x.',
  'x ',
  ' x',
  'x',
  'X',
  'é',
  'e\u0301',
  'ﬁ',
  'fi',
  'ß',
  'SS',
  'İ',
  'i',
  '\ud800',
  '\ud801',
  '한글'.repeat(50),
  '한글'.normalize('NFD').repeat(50),
  'a'.repeat(200),
  'A'.repeat(200),
  '~',
  '-rf',
  '%2e%2e',
  'a:b',
  '*?<>|"',
  '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  '01arz3ndektsv4rrffq69g5fav',
  '\n',
  '💧',
];

const folded = (name: string) => name.normalize('NFC').toLowerCase().normalize('NFC');

describe('fileName() (promises test 21, P17)', () => {
  it('gives every id a safe name of its own, where neither case nor Unicode form counts', () => {
    const COUNT = amount(20_000, 1_000_000);
    const draw = random(seedOr(21));
    const alphabet = [
      'a',
      'A',
      'e',
      'é',
      '.',
      '/',
      '-',
      '~',
      '한',
      'ㅎ',
      '\0',
      ' ',
      '0',
      '💧',
      '\u0301',
      '\ud800',
    ];
    const ids = new Set(listed);
    while (ids.size < COUNT) {
      const length = 1 + Math.floor(draw() * 12);
      ids.add(Array.from({ length }, () => alphabet[Math.floor(draw() * alphabet.length)]).join(''));
    }
    const seen = new Set<string>();
    for (const id of ids) {
      const name = fileName(id);
      const isSafe =
        /^[a-z0-9][a-z0-9_.-]{0,119}$/.test(name) &&
        !/^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[. ]$|\.\./.test(name);
      if (!isSafe) throw new Error(`${JSON.stringify(id)} becomes ${name}`);
      seen.add(folded(name));
    }

    expect(seen.size).toBe(ids.size);
    tally('names', ids.size);
  });

  it('keeps a plain id, and a ULID readable', () => {
    expect(fileName('book-7')).toBe('book-7');
    expect(fileName('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toBe('01arz3ndektsv4rrffq69g5fav.ulid');
  });
});
