import { isSecretKey, secrecyOf } from '../../../lib/model/secrets/secretNames';
import { hideSecrets, REDACTED } from '../../../lib/model/secrets/secretTexts';
import { leastWork } from '../../support/quickest';
import {
  HARMLESS_NAMES,
  HARMLESS_TEXTS,
  readable,
  SECRET_LINES,
  SECRET_NAMES,
  SECRET_TEXTS,
} from '../../support/secrets';

describe('isSecretKey()', () => {
  it.each(SECRET_NAMES)('takes %s for a secret', (name) => {
    expect(isSecretKey(name)).toBe(true);
  });

  it.each(HARMLESS_NAMES)('leaves %s readable', (name) => {
    expect(isSecretKey(name)).toBe(false);
  });

  it('asks for texts alone where a number says how many', () => {
    expect(['apiKeys', 'accessTokens', 'session', 'pass'].map(secrecyOf)).toEqual([
      'text',
      'text',
      'text',
      'text',
    ]);
  });
});

describe('hideSecrets()', () => {
  it.each([...SECRET_TEXTS, ...SECRET_LINES])(
    'hides the secret of %s, and hides nothing more the second time',
    (text) => {
      const shown = hideSecrets(text);
      expect(readable(shown)).toEqual([]);
      expect(shown).toContain(REDACTED);
      expect(hideSecrets(shown)).toBe(shown);
    },
  );

  it.each(HARMLESS_TEXTS)('leaves %s as it is', (text) => {
    expect(hideSecrets(text)).toBe(text);
  });

  it('hides several quoted values behind a name, and no other name with its value', () => {
    expect(hideSecrets('recovery codes: "1a2b", "3c4d" and "5e6f" are new')).toBe(
      `recovery codes: "${REDACTED}" are new`,
    );
    expect(hideSecrets('{"recovery_codes":"1a2b","next":"b","apiKeys":"x","more": "c"}')).toBe(
      `{"recovery_codes":"${REDACTED}","next":"b","apiKeys":"${REDACTED}","more": "c"}`,
    );
    expect(hideSecrets('password: "a1", "b"')).toBe(`password: "${REDACTED}", "b"`);
  });

  it('takes no longer than its text, however it is made', () => {
    const traps = [
      'key',
      'key:',
      '://a:',
      'key ',
      '\\',
      'eyJ',
      '-----BEGIN PRIVATE KEY',
      'key=\\"',
      'a b c d ',
      'key=["',
      'authorization: "x',
      'sk-aaaaa',
      'Basic aaaaaaaaa',
      '<key>',
      'key: |\n',
      ' key: |\n\n',
      '| key ',
      'password   ',
      'password\t',
      'key:   ',
      'keys: "a" "b',
      'keys: "a","b":',
    ];
    const enoughMs = traps.length * 300;
    const ms = leastWork(enoughMs, () => {
      for (const trap of traps) hideSecrets(`${trap.repeat(32_768 / trap.length)} key`);
    });
    expect(ms).toBeLessThan(enoughMs);
  });
});
