import { secrecyOf } from './secretNames';

/** What takes the place of a secret. */
export const REDACTED = '[redacted]';

/**
 * The text without what looks like a credential, or stands behind a name that `isSecretKey` knows: `Bearer …`, JWTs, private
 * keys, keys with the prefixes of known services, credentials in URLs and DSNs, `?api_key=…`, `"password": "…"`,
 * `--token …`, `비밀번호: …`.
 *
 * A text without any trace of a secret costs one pass; applied twice it changes nothing more. It knows shapes and names: a
 * password in the middle of a sentence, without either, stays.
 */
export function hideSecrets(text: string): string {
  if (text.length < 6 || !mayHoldSecrets(text)) return text;
  let shown = text;
  for (const { shape, replacement } of shapes) shown = shown.replace(shape, replacement);
  shown = shown.replace(CREDENTIALS_IN_URL, hideCredentials);
  shown = shown.replace(NAME_AND_VALUE, hideValue).replace(ENCODED, hideEncoded);
  shown = hideNamed(shown.replace(ELEMENT, hideElement));
  shown = shown.replace(TABLE_ROW, hideCells).replace(ALIGNED, hideAligned);
  return shown.replace(SPOKEN, hideSpoken);
}

/** Whether there is a trace of a secret at all: quick, and true too often. */
export function mayHoldSecrets(text: string): boolean {
  return MARK.test(text) && TRACE.test(text);
}

// No secret comes without one of these, most sentences do, and looking for them costs little.
const MARK = /[:=\d"'`@<|│\t]| {2}|[Bb]earer|BEARER|sk-|--/;

// Whatever the rules below can find contains one of these; most texts contain none.
const TRACE = new RegExp(
  [
    'pass|pwd|pw\\b|psw|secret|token|key|auth|cookie|cred|bearer|basic|jwt|jwe|otp|pin|cvc|cvv|csc|cvn|iban|ssn|sig|sess|sid|dsn|csrf|xsrf|hmac|pem\\b',
    'mfa|2fa|code|card|account|phrase|mnemonic|number|conn|psk|magic|tax|seed|assw|contrase|clave|senha|kennwort|mdp|geheimnis|shared|hash|htpasswd|kubeconfig',
    '@|eyJ|sk[-_]|[prw]k_|gh[pousr]_|github_|glpat|xox|xapp|AKIA|ASIA|AIza|ya29|SG\\.|npm_|hf_|dop_|shp|gsk_|whsec|pypi|hooks\\.|webhooks/|:AA|curl|wget|mysql|mariadb|identified|/bot|%3d',
    '비밀|비번|암호|패스|시크릿|키|토큰|번호|코드|쿠키|세션|서명|증명|정보|카드|인증서|문자열|пароль|密|パス|暗証|口令|令牌',
  ].join('|'),
  'i',
);

interface Shape {
  readonly shape: RegExp;
  readonly replacement: string;
}

/** Texts that are credentials by themselves, whatever stands before them. */
const shapes: readonly Shape[] = [
  {
    shape: /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}-----|$)/g,
    replacement: REDACTED,
  },
  { shape: /PuTTY-User-Key-File-[\s\S]*$/g, replacement: REDACTED },
  // RFC 7519; also the five parts of an encrypted one, and one that was cut off.
  { shape: /\beyJ[\w-]{6,}(?:\.[\w-]*){1,4}/g, replacement: REDACTED },
  {
    shape:
      /\b(?:sk|pk|rk)_(?:live|test)_\w{4,}|\bsk-(?=[\w-]*[0-9A-Z])[\w-]{6,}|\bsk-[a-z]{16,}|\bgh[pousr]_\w{8,}|\bgithub_pat_\w{8,}|\bglpat-[\w-]{8,}|\bxox[a-z]-[\w-]{6,}|\bxapp-[\w-]{8,}|\b(?:AKIA|ASIA|AROA|AIDA)[0-9A-Z]{12,}\b|\bAIza[\w-]{20,}|\bya29\.[\w-]{8,}|\bSG\.[\w-]{8,}\.[\w-]{8,}|\bnpm_\w{20,}|\bhf_\w{12,}|\bdop_v1_\w{16,}|\bshp(?:at|ss|ca|pa)_\w{16,}|\bgsk_\w{16,}|\br8_\w{20,}|\bwhsec_[\w+/=]{8,}|\bpypi-[\w-]{16,}|\b\d{8,10}:AA[\w-]{30,}/g,
    replacement: REDACTED,
  },
  { shape: /(hooks\.slack\.com\/(?:services|workflows|triggers)\/)[\w/-]+/g, replacement: `$1${REDACTED}` },
  { shape: /(api\.telegram\.org\/(?:file\/)?bot)[^/\s]+/g, replacement: `$1${REDACTED}` },
  {
    shape: /(\b(?:curl|wget)\b[^\n]{0,400}?\s(?:-u|--user)[= ]?["']?[^\s:"']{0,64}:)[^\s"']+/g,
    replacement: `$1${REDACTED}`,
  },
  { shape: /(\b(?:mysql|mariadb)[\w-]*\s[^\n]{0,200}?-p)(?!assword)[^\s]+/g, replacement: `$1${REDACTED}` },
  {
    shape: /(\bIDENTIFIED\s(?:WITH\s[\w'"]{1,64}\s)?BY\s+)(?:'[^']*'|"[^"]*")/gi,
    replacement: `$1'${REDACTED}'`,
  },
  {
    shape: /(<input\b(?=[^<>]{0,400}\btype=["']?password)[^<>]{0,400}?\bvalue=)(?:"[^"]*"|'[^']*'|[^\s>]+)/gi,
    replacement: `$1"${REDACTED}"`,
  },
  { shape: /(\/api\/webhooks\/\d+\/)[\w-]+/g, replacement: `$1${REDACTED}` },
  {
    shape:
      /\b(Bearer|Negotiate|DPoP)(\s+)(?!(?:token|tokens|auth|authentication|authorization|authorisation|credentials?|scheme|realm|header|of|is|was|and|or|in|with|for|must|not|required|error|missing|invalid|expired)\b)["']?[\w+/=.~:-]{3,}/gi,
    replacement: `$1$2${REDACTED}`,
  },
  // Base64: a word of a sentence has no capital behind a small letter, and no digit.
  {
    shape:
      /\b(Basic|Token|Digest|ApiKey)(\s+)(?=[\w+/]*(?:[a-z][A-Z]|\d)[\w+/]*)(?=[\w+/=]*[A-Za-z])[\w+/.-]{6,}={0,2}/g,
    replacement: `$1$2${REDACTED}`,
  },
];

/** What stands before the last `@` of an address: passwords contain `@` and `/` more often than they should. */
const CREDENTIALS_IN_URL = /\b([a-z][a-z0-9+.-]{0,30}:\/\/)([^\s"'`<>|\\]{1,512})@/gi;

function hideCredentials(whole: string, scheme: string, userInfo: string): string {
  const colon = userInfo.indexOf(':');
  const slash = userInfo.search(/[/?#]/);
  if (colon >= 0 && (slash < 0 || slash > colon)) {
    // A port, and an `@` in the path.
    if (/^:\d{1,5}[/?#]/.test(userInfo.slice(colon))) return whole;
    return `${scheme}${REDACTED}@`;
  }
  if (slash >= 0) return whole;
  // A name alone is a name, unless it is a key: `https://0a1b2c…@host`.
  return /\d/.test(userInfo) && userInfo.length >= 12 ? `${scheme}${REDACTED}@` : whole;
}

/** `{"name":"token","value":"x"}`. */
const NAME_AND_VALUE =
  /("(?:name|key|header|field|id|type|title|kind)"\s{0,4}:\s{0,4}"([^"\\]{2,64})"\s{0,4},\s{0,4}"(?:value|val|content|data)"\s{0,4}:\s{0,4})(?:"(?:[^"\\]|\\.)*"|[^\s,}\]"]+)/gi;

function hideValue(whole: string, before: string, name: string): string {
  return secrecyOf(name) === 'none' ? whole : `${before}"${REDACTED}"`;
}

/** `?token=x` within the parameter of another URL. */
const ENCODED = /((?:%3F|%26|%23|^|[?&#\s"'])([a-z][\w.-]{1,63})%3D)[^&%\s"'<>]{3,}/gi;

function hideEncoded(whole: string, before: string, name: string): string {
  return secrecyOf(name) === 'none' ? whole : `${before}${REDACTED}`;
}

const ELEMENT = /<([\w:.-]{2,64})(\s[^<>]{0,200})?>([^<]{1,4096})(?=<\/)/g;

function hideElement(whole: string, name: string, attributes: string | undefined): string {
  return secrecyOf(name) === 'none' ? whole : `<${name}${attributes ?? ''}>${REDACTED}`;
}

const TABLE_ROW = /(?:^|: )[ \t]*[|│][^\n]*[|│]/gm;

/** `| password | x |`: of two cells side by side the second. */
function hideCells(row: string): string {
  const cells = row.split(/([|│])/);
  for (let at = 2; at + 2 < cells.length; at += 2) {
    const name = (cells[at] ?? '').trim().replace(/^[`'"*]+|[`'"*]+$/g, '');
    const cell = cells[at + 2] ?? '';
    const value = cell.trim();
    if (name.length > 64 || value === '' || value === REDACTED || /^[-: ]+$/.test(value)) continue;
    const secrecy = secrecyOf(name);
    if (secrecy === 'none' || proseWords.test(value)) continue;
    if (secrecy === 'text' && /^-?[\d.]+$/.test(value)) continue;
    cells[at + 2] = cell.replace(value, REDACTED);
    at += 2;
  }
  return cells.join('');
}

/** `DB_PASSWORD      x`: two columns of a list, alone in their line. */
const ALIGNED = /(^[ \t]*|: )([A-Za-z][\w.-]{2,63})( {2,}|[ ]?\t+)(\S{1,512})(?=[ \t\r]*$)/gm;

function hideAligned(whole: string, indent: string, name: string, gap: string, value: string): string {
  const secrecy = secrecyOf(name);
  if (secrecy === 'none' || value.startsWith(REDACTED) || proseWords.test(value)) return whole;
  if (secrecy === 'text' && /^-?[\d.]+$/.test(value)) return whole;
  // Two words of a heading.
  if (/^[A-Z]+$/.test(name) && /^[A-Z]+$/.test(value)) return whole;
  const isPlain = /^[A-Z][A-Z\d_]+$/.test(name) || /pass|secret|pwd/i.test(name);
  return isPlain || isMixed(value, 6) ? `${indent}${name}${gap}${REDACTED}` : whole;
}

const SIGN = /[:=]/g;

/** `name: value`, `"name": "value"`, `name=value`, `name => value`: looks at each sign, and back at what stands before it. */
function hideNamed(text: string): string {
  let shown = '';
  let done = 0;
  SIGN.lastIndex = 0;
  for (let sign = SIGN.exec(text); sign !== null; sign = SIGN.exec(text)) {
    const start = startOfValue(text, sign.index);
    if (start === undefined) continue;
    const name = nameBefore(text, sign.index, done);
    if (name === '' || isProse(text, start) || !isSpokenSecret(name, text, start)) continue;
    const block = blockOf(text, sign.index, start);
    if (block !== undefined) {
      if (!text.startsWith(REDACTED, block.start)) shown += `${text.slice(done, block.start)}${REDACTED}`;
      else shown += text.slice(done, block.end);
      SIGN.lastIndex = done = block.end;
      continue;
    }
    const quote = QUOTE.exec(text.slice(start, start + 16))?.[0] ?? '';
    const end = endOfValue(text, start, quote, name);
    shown += `${text.slice(done, start)}${quote}${REDACTED}${quote !== '' && end < text.length ? quote : ''}`;
    done = end;
    SIGN.lastIndex = end;
  }
  return done === 0 ? text : shown + text.slice(done);
}

const QUOTE = /^\\*["'`]/;
/** Headers, phrases and lists of codes: their value is the rest of the line. */
const wholeLine =
  /(?:authorization|cookie2?|mnemonic|passphrase|(?:recovery|backup|seed|secret|mnemonic)[ _.-]?(?:phrases?|words?|codes?|keys))$/i;

/** A block of YAML, `password: |`: the lines below that are indented further. */
function blockOf(
  text: string,
  sign: number,
  start: number,
): { readonly start: number; readonly end: number } | undefined {
  BLOCK.lastIndex = start;
  if (!BLOCK.test(text)) return undefined;
  const line = text.lastIndexOf('\n', sign) + 1;
  const depth = indentAt(text, line);
  let end = BLOCK.lastIndex;
  let first: number | undefined;
  for (let at = end; at < text.length;) {
    const indent = indentAt(text, at);
    const next = text.indexOf('\n', at);
    const close = next < 0 ? text.length : next;
    const isBlank = text.slice(at + indent, close).trim() === '';
    if (!isBlank && indent <= depth) break;
    if (!isBlank) {
      first ??= at + indent;
      end = close;
    }
    at = close + 1;
  }
  return first === undefined ? undefined : { start: first, end };
}

const BLOCK = /[|>][+\-\d]{0,2}[ \t]*\r?\n/y;

function indentAt(text: string, line: number): number {
  let at = line;
  while (text[at] === ' ' || text[at] === '\t') at += 1;
  return at - line;
}

/** Where the value behind this sign begins; undefined when there is none, or it is hidden already. */
function startOfValue(text: string, sign: number): number | undefined {
  const next = text[sign + 1];
  if (next === ':' || (next === '/' && text[sign + 2] === '/') || (next === '=' && text[sign] === '='))
    return undefined;
  let start = sign + (next === '>' || (next === '=' && text[sign] === ':') ? 2 : 1);
  const behind = start;
  let isBelow = false;
  for (; /\s/.test(text[start] ?? ''); start += 1) {
    isBelow ||= text[start] === '\n';
    // What stands further down, or is indented below the name, belongs to something else.
    if (isBelow && start - behind >= 3) return undefined;
  }
  const isHidden =
    text.startsWith(REDACTED, start) || /^\\*["'`]\[redacted\]/.test(text.slice(start, start + 28));
  return start >= text.length || isHidden ? undefined : start;
}

/** Up to four words that end at this sign, without the quotes around them. Walks back: a pattern would try every beginning. */
function nameBefore(text: string, sign: number, from: number): string {
  let end = sign;
  while (end > from && AROUND.test(text[end - 1] ?? '')) end -= 1;
  let start = end;
  let words = 0;
  while (start > from && end - start < 96) {
    const character = text[start - 1] ?? '';
    if (character === ' ') {
      words += 1;
      if (words === 4 || !IN_NAME.test(text[start - 2] ?? '')) break;
    } else if (!IN_NAME.test(character)) break;
    start -= 1;
  }
  const name = text.slice(start, end).trimStart();
  return TRACE.test(name) ? name : '';
}

const AROUND = /["'`\\\]\s]/;
const IN_NAME = /[\p{L}\p{M}\p{N}_.%-]/u;

function endOfValue(text: string, start: number, quote: string, name: string): number {
  const isLine = wholeLine.test(name);
  const isSeveral = isLine || /s$/i.test(name);
  if (quote !== '') {
    const end = closing(text, start + quote.length, quote);
    return end < 0 ? text.length : isSeveral ? endOfQuoted(text, end, quote) : end;
  }
  if (text.startsWith('- ', start)) {
    LIST.lastIndex = start;
    return start + (LIST.exec(text)?.[0].length ?? 0);
  }
  const first = text[start];
  if (first === '[' || first === '{') return closingBracket(text, start);
  const stop = isLine ? /[\r\n"'`]/g : /[\s,;&|)}\]"'`<>\\]/g;
  stop.lastIndex = start;
  return stop.exec(text)?.index ?? text.length;
}

/** Behind the last of several values in such quotes, one after another: what a sign follows is the name of something else. */
function endOfQuoted(text: string, from: number, quote: string): number {
  let end = from;
  NEXT_QUOTED.lastIndex = end;
  for (let next = NEXT_QUOTED.exec(text); next?.[1] === quote; next = NEXT_QUOTED.exec(text)) {
    const close = closing(text, NEXT_QUOTED.lastIndex, quote);
    if (close < 0) return text.length;
    if (/^\s*[:=]/.test(text.slice(close, close + 16))) return end;
    NEXT_QUOTED.lastIndex = end = close;
  }
  return end;
}

const NEXT_QUOTED = /\s{0,16}(?:[,;|/+]|and\b|or\b|및)?\s{0,16}(\\*["'`])/y;

/** The items of a list of YAML. */
const LIST = /-\s[^\n]*(?:\n\s*-\s[^\n]*)*/y;

/** Behind the quote that closes: it has as many backslashes before it as the one that opened. */
function closing(text: string, from: number, quote: string): number {
  const sign = quote.slice(-1);
  for (let at = text.indexOf(sign, from); at >= 0; at = text.indexOf(sign, at + 1)) {
    let slashes = 0;
    while (at - slashes > from && text[at - slashes - 1] === '\\') slashes += 1;
    if (quote.length === 1 ? slashes % 2 === 0 : slashes < quote.length) return at + 1;
  }
  return -1;
}

function closingBracket(text: string, start: number): number {
  let depth = 0;
  const brackets = /[[\]{}]/g;
  brackets.lastIndex = start;
  for (let found = brackets.exec(text); found !== null; found = brackets.exec(text)) {
    depth += found[0] === '[' || found[0] === '{' ? 1 : -1;
    if (depth === 0) return found.index + 1;
  }
  return text.length;
}

function isProse(text: string, start: number): boolean {
  return proseWords.test(/^[^\s,;&|)}\]<>.]*/.exec(text.slice(start, start + 24))?.[0] ?? '');
}

/** Of several words before the sign, the last ones are the name: `Incorrect API key provided`, `using the password`. */
function isSpokenSecret(name: string, text: string, start: number): boolean {
  const words = decoded(name)
    .replace(/ (?:provided|given|supplied|received|was|is|of)$/, '')
    .split(' ');
  for (let from = 0; from < words.length; from += 1) {
    const last = words.slice(from).join(' ');
    const secrecy = secrecyOf(last);
    // In a sentence `Duplicate key: 5` says nothing secret: only keys with a kind, or written as one word, count.
    if (secrecy === 'none' || (words.length - from > 1 && /\bkeys?$/i.test(last) && !kindsOfKey.test(last)))
      continue;
    return (
      secrecy === 'always' ||
      !/^(?:-?[\d.]+|true|false)(?![\p{L}\p{N}_-])/u.test(text.slice(start, start + 32))
    );
  }
  // `?key=…` of a URL, and only there.
  return name === 'key' && isMixed(/^[\w-]*/.exec(text.slice(start, start + 64))?.[0] ?? '', 16);
}

const kindsOfKey = /\b(?:api|access|secret|private|encryption|signing|master|auth)\b/i;

function decoded(name: string): string {
  if (!name.includes('%')) return name;
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

const proseWords =
  /^(?:must|should|shall|is|was|has|have|may|cannot|can|not|no|expected|required|missing|invalid|expired|too|wrong|incorrect|needs|does|did|none|null|undefined|true|false|unknown|unset|empty|optional|denied|failed|string|number|boolean|object|\*+|""|'')$/i;

/** `--token x`, `password is x`, `for key x`: without a sign between them, only what looks like a secret is taken for one. */
const SPOKEN =
  /(--?[a-zA-Z][\w-]{1,40}\s|\b(?:passwords?|passwd|passphrase|passcode|secret|token|api[ _-]?key|key|credential|pin|otp|code)(?:\s(?:is|was|of|to|provided|given))?\s{1,3}|(?:비밀번호|비번|암호|패스워드|토큰|시크릿|키)(?:는|은|가|이|를|을)?\s)(?!\[redacted\])("[^"\n]*"|'[^'\n]*'|[^\s,;&)}\]"'<>]+)/gi;

function hideSpoken(whole: string, before: string, value: string): string {
  const name = before.trimEnd();
  const bare = value.replace(/^["']|["'.!?]+$/g, '').replace(/["']$/, '');
  if (name.startsWith('-')) {
    return secrecyOf(name) === 'none' || bare.startsWith('-') || proseWords.test(bare)
      ? whole
      : `${before}${REDACTED}`;
  }
  const isQuotedPassword =
    /^["']/.test(value) && /pass|secret|비번|비밀|암호|시크릿/i.test(name) && bare.length > 2;
  const isLikely = /key|code|키/i.test(name) ? /[A-Z]/.test(bare) && isMixed(bare, 6) : isMixed(bare, 6);
  return isQuotedPassword || (isLikely && !/[:=/[]/.test(bare)) || isMixed(bare, 20)
    ? `${before}${REDACTED}`
    : whole;
}

/** Letters and digits in one word of at least this length, as in what a machine made up. */
function isMixed(text: string, atLeast: number): boolean {
  return text.length >= atLeast && /\p{L}/u.test(text) && /\d/.test(text) && !/\s/.test(text);
}
