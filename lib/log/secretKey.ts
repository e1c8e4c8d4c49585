const secret =
  /pass(word|wd|phrase|code)|^pwd$|secret|apikey|authorization|^auth$|cookie|credential|privatekey|accesskey|connectionstring|^bearer$|^jwt$|token$|^sessionid$|^ssn$|^cvv$/;

const known = new Map<string, boolean>();
const KNOWN_AT_MOST = 4096;

/**
 * Whether values under this key are kept out of logs: passwords, keys, tokens, cookies and the like, however they are
 * spelt (`apiKey`, `API_KEY`, `x-api-key`). `tokens` and `maxTokens` are counts and stay readable.
 */
export function isSecretKey(key: string): boolean {
  const answer = known.get(key);
  if (answer !== undefined) return answer;
  const isSecret = key.length <= 256 && secret.test(key.toLowerCase().replace(/[^a-z0-9]/g, ''));
  if (known.size < KNOWN_AT_MOST) known.set(key, isSecret);
  return isSecret;
}
