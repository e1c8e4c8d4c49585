/**
 * How secret the value under a name is: `always`; `text` where numbers and booleans are harmless (`tokens: 12`, `pass: true`)
 * and texts are not; or not at all.
 */
export type Secrecy = 'always' | 'text' | 'none';

const known = new Map<string, Secrecy>();
const KNOWN_AT_MOST = 4_096;
const LONGEST = 256;

/** How secret the values under this name are, judged by its words: `apiKey`, `API_KEY`, `x-api-key` and `api key` are one name. */
export function secrecyOf(name: string): Secrecy {
  const answer = known.get(name);
  if (answer !== undefined) return answer;
  const secrecy = name.length > LONGEST ? 'none' : judged(wordsOf(name));
  if (known.size < KNOWN_AT_MOST) known.set(name, secrecy);
  return secrecy;
}

/**
 * Whether values under this key are kept out of logs: passwords, keys, tokens, cookies, card numbers and the like, in English,
 * Korean and a few other languages, however they are spelt (`apiKey`, `API_KEY`, `x-api-key`, `비밀번호`). `maxTokens`,
 * `primaryKey` and `passwordLength` stay readable.
 */
export function isSecretKey(key: string): boolean {
  return secrecyOf(key) !== 'none';
}

/** Splits a name at changes of case, at digits, and at everything that is neither a letter nor a digit; lower case. */
function wordsOf(name: string): readonly string[] {
  return (
    name
      .normalize('NFKC')
      // Invisible characters would cut a word in two.
      .replace(/\p{Cf}+/gu, '')
      .replace(/(\p{Ll}|\p{N})(?=\p{Lu})/gu, '$1 ')
      .replace(/(\p{Lu})(?=\p{Lu}\p{Ll})/gu, '$1 ')
      .replace(/([\p{Script=Hangul}])(?=[a-z])|([a-z])(?=\p{Script=Hangul})/giu, '$1$2 ')
      .toLowerCase()
      .split(/[^\p{L}\p{M}\p{N}]+/u)
      // `password2`, `v2`: the number says nothing.
      .map((word) => word.replace(/\p{N}+$/u, ''))
      .filter((word) => word !== '' && word !== 'v')
  );
}

function judged(words: readonly string[]): Secrecy {
  let secrecy: Secrecy = 'none';
  for (let index = 0; index < words.length; index += 1) {
    const found = judgedAt(words, index);
    if (found === 'always') return 'always';
    if (found === 'text') secrecy = 'text';
  }
  return secrecy;
}

function judgedAt(words: readonly string[], index: number): Secrecy {
  const word = words[index] ?? '';
  const before = words[index - 1] ?? '';
  const after = words[index + 1] ?? '';
  if (/\p{Script=Hangul}/u.test(word))
    return word === '키' && plainKeys.has(before) ? 'always' : koreanAt(word, after);
  if (pairs.has(`${before} ${word}`)) return after !== 'number' && isTold(words, index) ? 'none' : 'always';
  // How many, or the pieces of a text.
  if (words.length === 1 && word === 'tokens') return 'none';
  const singular = singularOf(word);
  const plural = singular !== word;
  if (plainly.test(singular) && !harmlessWords.test(word)) {
    if (isTold(words, index)) return 'none';
    return plural ? 'text' : 'always';
  }
  if (singular === 'key') return keyAt(words, index);
  // The words that also mean something else count where they end the name.
  const kind = atTheEnd.get(singular);
  if (kind === undefined || !endsAt(words, index)) return 'none';
  if (countWords.has(before) || (singular === 'pass' && passes.has(before))) return 'none';
  return plural ? 'text' : kind;
}

/** `stripeKey` is one, `primaryKey` and `key` are none; `accessKeyId` is one, `keyCount` none. */
function keyAt(words: readonly string[], index: number): Secrecy {
  const before = words[index - 1];
  if (before === undefined || harmlessKeys.has(before))
    return materials.has(words[index + 1] ?? '') ? 'always' : 'none';
  if (isTold(words, index)) return 'none';
  if (plainKeys.has(before) || endsAt(words, index)) return words[index] === 'keys' ? 'text' : 'always';
  return 'none';
}

/** Whether the name speaks about the secret instead of holding it: `tokenCount`, `maxTokens`, `hasPassword`. */
function isTold(words: readonly string[], index: number): boolean {
  if (index < words.length - 1 && harmlessEnds.has(words[words.length - 1] ?? '')) return true;
  return countWords.has(words[index - 1] ?? '') || questions.has(words[0] ?? '');
}

/** Whether only words follow that mean the value itself: `pin`, `pinCode`, `signatureValue`. */
function endsAt(words: readonly string[], index: number): boolean {
  for (let at = index + 1; at < words.length; at += 1) if (!values.has(words[at] ?? '')) return false;
  return true;
}

function singularOf(word: string): string {
  if (word === 'pass' || word === 'sms' || word.endsWith('ss')) return word;
  return word.endsWith('s') && word.length > 3 ? word.slice(0, -1) : word;
}

function koreanAt(word: string, after: string): Secrecy {
  const found = koreanSecret.exec(word);
  if (found === null) return 'none';
  const rest = word.slice(found.index + found[0].length).replace(koreanParticle, '');
  const isHarmless = rest === '' ? koreanHarmless.test(after) : koreanHarmless.test(rest);
  return isHarmless ? 'none' : 'always';
}

const set = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** A word that ends like this is a secret wherever it stands in the name: `dbpassword` and `accesstoken` are one word. */
const plainly = new RegExp(
  `(${[
    'passw(or)?d|passphrase|passcode|passwort|kennwort|p(as)?sw|pswd|pwd|pwds|contrase(ñ|n)a|clave|senha|motdepasse|mdp|geheimnis',
    'пароль|密码|密碼|パスワード|暗証番号|口令|令牌',
    'secret|token|credential|cred|authorization|cookie|bearer|jwt|jwe|csrf|xsrf|hmac',
    '(api|access|secret|private|encryption|signing|master|auth|account|license|priv|session|ssh|rsa)key',
    'sessionid|sessid|sessionkey|connectionstring|connectionuri|dsn|mnemonic|htpasswd|kubeconfig',
    '(store|key|db|user|admin|root|ftp|smtp|mail|login|new|old)pass|connstr|xprv|wpapsk',
    'iban|ssn|cvc|cvv|otp|totp|hotp|creditcard|cardnumber|accountnumber|pincode|verificationcode',
  ].join('|')})$|password(?!less|manager)|passwd`,
  'u',
);
const harmlessWords = /^(pathcred|sacred)$/;

/** Words that are secrets at the end of a name, and mean something else before another word: `pinned`, `session length`. */
const atTheEnd: ReadonlyMap<string, Secrecy> = new Map<string, Secrecy>([
  ['pass', 'text'],
  ['pw', 'always'],
  ['auth', 'always'],
  ['oauth', 'text'],
  ['session', 'text'],
  ['sid', 'always'],
  ['pin', 'always'],
  ['csc', 'always'],
  ['cvn', 'always'],
  ['mfa', 'text'],
  ['signature', 'always'],
  ['sig', 'always'],
  ['pkey', 'always'],
  ['pem', 'always'],
  ['psk', 'always'],
  ['kek', 'always'],
  ['dek', 'always'],
  ['pat', 'text'],
  ['pan', 'text'],
]);

/** Two words that are a secret together. */
const pairs: ReadonlySet<string> = new Set(
  `pass phrase,pass word,pass code,pass key,seed phrase,recovery phrase,secret phrase,key material,connection string,connection uri,
  session id,session ids,session token,session cookie,session data,auth header,auth code,auth string,authorization code,access code,
  access codes,verification code,security code,security codes,security answer,recovery code,recovery codes,backup codes,backup code,
  login code,sms code,unlock code,mfa code,2fa code,otp code,time code,time codes,pin code,confirmation code,activation code,card number,card no,card numbers,
  credit card,debit card,account number,account no,routing number,social security,passport number,license number,tax number,
  bank account,mot passe,de passe,api hash,shared access,pin number,pin no,cc number,cc num,iban number,iban no,ssn number,passport no,license no,
  tax id,tax no,magic link,factor code,wallet seed,seed words,conn str,conn string,conn uri,connection str,account json`
    .split(',')
    .map((pair) => pair.trim()),
);

/** `key` behind one of these is never a secret. */
const harmlessKeys = set(`
  primary foreign sort partition cache index map object row record group public pub idempotency composite natural translation message
  dictionary dict hash range lookup dedupe dedup deduplication unique arrow hot shortcut query react routing search data join business surrogate candidate item
  items event entity header ordering order shard state step node config configuration property prop field column error label metric file bucket
  blob escape esc enter tab shift home end function fn current next previous prev last first any same parent child missing duplicate
  unknown invalid valid extra required optional by per of for on no the a an press pressed down up this that these those some all each every which what
  nonce limit limiter rate tag topic feature flag setting option param parameter attribute attr source target left right min max
  sorted default translation i18n locale intl lang language env environment variable var command input output result context path
  page user users tenant customer document doc table db json yaml xml object's map's set registry service workflow run agent queue job task
  lock mutex counter keyboard modifier meta alt ctrl control delete backspace space space's legend chart color theme style log metrics
  answer`);

/** `key` behind one of these is a secret whatever follows. */
const plainKeys = set(`
  api access secret private encryption decryption signing master auth account license licence priv session ssh rsa symmetric crypto
  cipher aes hmac webhook deploy service client`);

/** Words behind a secret that mean its value or its kind. */
const values = set(`
  value values string text data raw plain plaintext encrypted enc base b64 hex bytes header code digest old new current confirm
  confirmation confirmed again repeat backup prod production dev staging live test env id ids hash hashed secret token key input answer`);

const materials = set('material pem jwk');

/** A name that ends with one of these speaks about the secret, and does not hold it. */
const harmlessEnds = set(`
  count counts counter length len size limit limits max maximum min minimum usage used total totals budget rate ratio cost costs price
  type types kind name names algorithm alg policy policies rule rules strength format pattern regex expiry expires expired expiration
  expire ttl at age date time times timestamp timeout duration ms sec seconds minutes hours days created updated changed issued valid
  invalid required optional missing present enabled disabled allowed status state error errors index position offset version field
  fields label placeholder visible visibility column path file filename provider source manager service endpoint url uri scope scopes issuer
  audience owner user username per second minute consent banner domain left remaining available reset attempts tries retries failures
  failed failure check checks checked tests tested validation validator verified rotation rotated lifetime refreshed window stats
  statistics summary method methods mode flow level levels module server handler middleware callback number begin begins start started end
  ended expiresat arn ref reference strategy parser parsing stream encoder encoding decoder vocabulary vocab distribution probability
  probabilities logprobs histogram average avg mean median budgeted spent speed throughput estimate estimated estimator counted`);

/** What counts, or is counted, before a secret's name: `maxTokens`, `promptTokens`. */
const countWords = set(`
  max maximum min minimum num number total count n avg average mean median prompt completion input output cached reasoning used unused
  remaining left per estimated missing without tokenizer vocabulary eos bos pad unk mask special stop next first last`);

const questions = set(
  'has is requires require needs need should can show hide shows hides uses use supports',
);

/** `pass` behind one of these is a round, a ticket, or what a test does. */
const passes = set(`
  first second third fourth last next render boarding multi single two one test tests low high forward backward back all did will full final
  quick compiler optimization mountain season day bus rail ski hall`);

const koreanSecret =
  /비밀\s?번호|비번|암호|패스워드|패스코드|패스프레이즈|복호화\s?키|시크릿|비밀\s?키|개인\s?키|인증\s?키|서명\s?키|마스터\s?키|접근\s?키|보안\s?키|토큰|인증\s?번호|인증\s?코드|보안\s?코드|접속\s?코드|복구\s?코드|주민\s?등록\s?번호|주민\s?번호|외국인\s?등록\s?번호|여권\s?번호|운전\s?면허\s?번호|계좌\s?번호|카드\s?번호|핀\s?번호|쿠키|세션|서명|자격\s?증명|인증\s?정보|보안\s?카드|공인\s?인증서|연결\s?문자열|api\s?키|비밀$|비밀(?=값|정보|문구)/u;
const koreanParticle = /^(은|는|이|가|을|를|의|로|으로|도|와|과)$/u;
/** What follows a secret where the name speaks about it. */
const koreanHarmless =
  /^(화($|[^키])|학|수$|수량|개수|갯수|길이|여부|일$|일자|일시|시간|시작|종료|기간|만료|변경|정책|규칙|유형|종류|방식|방법|상태|횟수|한도|제한|사용|비용|이름|명$|자$|설정|동의|유효|생성|발급|타입|크기|목록|오류|실패|없음|필요|재설정|찾기|분실|알고리즘|강도|최대|최소|평균|합계|통계|요금|가격|당)/u;
