import { addressPart, giverText, spanText } from '../../inspector/page/format';
import { korean } from '../../inspector/page/korean';
import { chooseLanguage } from '../../inspector/page/texts';
import type { GivenBy } from '../../lib/model/givenBy';

describe('spanText()', () => {
  beforeAll(() => {
    Object.assign(globalThis, { document: { documentElement: { lang: '' } } });
  });
  afterAll(() => {
    Reflect.deleteProperty(globalThis, 'document');
  });
  afterEach(() => chooseLanguage('en', () => Promise.resolve(korean)));

  it.each([
    [83, '83 ms', '83 ms'],
    [1_200, '1.2 s', '1.2초'],
    [42_000, '42 s', '42초'],
    [91_000, '1 m 31 s', '1분 31초'],
    [3_600_000, '1 h', '1시간'],
    [7_500_000, '2 h 5 m', '2시간 5분'],
    [86_400_000, '1 d', '1일'],
    [7 * 86_400_000 + 4 * 3_600_000, '7 d 4 h', '7일 4시간'],
  ])('says %i ms as %s, and in Korean as %s', async (ms, english, inKorean) => {
    expect(spanText(ms)).toBe(english);
    await chooseLanguage('ko-KR', () => Promise.resolve(korean));
    expect(spanText(ms)).toBe(inKorean);
  });
});

describe('addressPart()', () => {
  it('takes any id of a run, also one that was cut within a character', () => {
    expect(addressPart('a/b c')).toBe('a%2Fb%20c');
    expect(decodeURIComponent(addressPart('mail-\ud83d'))).toBe('mail-\ufffd');
  });
});

describe('giverText()', () => {
  it.each<[string, GivenBy | undefined]>([
    ['one agent gave the output', undefined],
    ['a person answered', null],
    ['a policy put the output there', false],
    ['a step has ended what is around it', { bailed: true }],
    ['all that is known is which items are undefined', { gaps: [1] }],
    ['people answered all of a list', { items: { 0: null, 1: null } }],
  ])('says nothing where %s', (_, by) => {
    expect(giverText(by)).toBeUndefined();
  });

  it.each<[string, GivenBy]>([
    ['card', 'card'],
    ['{"id":"pay","by":null}', { id: 'pay', by: null }],
    ['{"items":{"0":null,"2":"card"}}', { items: { 0: null, 2: 'card' } }],
    ['{"fields":{"price":{"id":"a","by":"b"}}}', { fields: { price: { id: 'a', by: 'b' } } }],
  ])('says %s where that agent is known', (text, by) => {
    expect(giverText(by)).toBe(text);
  });
});
