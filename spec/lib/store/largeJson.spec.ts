import { largeJson } from '../../../lib/store/folder/files/largeJson';
import { stateText } from '../../../lib/store/snapshotText';
import { folded, life } from './support/life';

const text = (state: string) =>
  `{\n"format": 1,\n"kind": "run",\n"upTo": 7,\n"state": ${state},\n"crc32": "0"\n}\n`;

describe('largeJson()', () => {
  it.each([1, 2, 70])('gives what JSON.parse gives, with %i steps', (steps) => {
    const hostile = (step: number) => ({
      step,
      text: '\n"steps": [\n\n]\n',
      한글: ['😀', ',', { steps: [] }],
    });
    const whole = text([...stateText(folded(life('run', steps, hostile)))].join(''));
    expect(largeJson(Buffer.from(whole))).toEqual(JSON.parse(whole));
  });

  it('refuses a text without steps, and one that breaks off', () => {
    expect(() => largeJson(Buffer.from(text('{}')))).toThrow(RangeError);
    expect(() => largeJson(Buffer.from('{\n"state": {\n"steps": [\n{},\n'))).toThrow(RangeError);
    expect(() => largeJson(Buffer.from(text('{\n"steps": [\n{},\n{"a\n]\n}')))).toThrow(SyntaxError);
  });
});
