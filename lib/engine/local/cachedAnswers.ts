import { createHash } from 'node:crypto';

import { jsonValue } from '../../codec/jsonValue';
import { typeName } from '../../codec/typeName';
import { workOf } from '../../definition/definition';
import { toFailure } from '../../model/failure';
import type { AnswerCache, KeptAnswer } from '../../store/answerCache';
import type { KnownAnswer } from '../engine';
import type { StepTask } from '../task';

/** A short text that values share exactly when their JSON is the same; undefined for what has no JSON. */
export function hashOf(value: unknown): string | undefined {
  try {
    return shortHash(JSON.stringify([value]));
  } catch {
    return undefined;
  }
}

/**
 * The same, of which also values differ that JSON cannot tell apart, such as two Maps. Of what nobody can look into it says so once.
 *
 * @param isOnRecord - Whether an earlier release has kept this hash: it looked at the JSON alone, and its runs go on with that.
 */
export function hashOfInput(value: unknown, isOnRecord: (hash: string) => boolean): string | undefined {
  if (isKeptByJson(value)) return hashOf(value);
  const byJson = hashOf(value);
  if (byJson !== undefined && isOnRecord(byJson)) return byJson;
  try {
    return shortHash(JSON.stringify([value], withKinds));
  } catch (error) {
    warnOfUnseen(toFailure(error).message.split('\n', 1)[0] ?? '');
    return undefined;
  }
}

function isKeptByJson(value: unknown): boolean {
  try {
    jsonValue(value, '');
    return true;
  } catch {
    return false;
  }
}

/** A replacer for `JSON.stringify` that shows what it would leave out or take for something else. */
function withKinds(this: unknown, _: string, value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : tagged(String(value));
  if (typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function')
    return tagged(typeof value, String(value));
  if (value === undefined) return Array.isArray(this) ? tagged('undefined') : value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  if (kind === 'Map' || kind === 'Set' || kind === 'URLSearchParams')
    return tagged(kind, ...(value as Iterable<unknown>));
  if (kind === 'RegExp') return tagged(kind, (value as RegExp).source, (value as RegExp).flags);
  if (value instanceof Error || kind === 'Error') {
    const { name, message, cause } = value as Error;
    return tagged(kind, name, message, cause, { ...value });
  }
  if (kind === 'ArrayBuffer') return tagged(kind, ...new Uint8Array(value as ArrayBuffer));
  const { constructor } = value;
  if (Object.keys(value).length === 0 && constructor !== Object && Object.getPrototypeOf(value) !== null)
    warnOfUnseen(`${typeName(value)} shows nothing of itself`);
  return value;
}

/** Told apart from every list of the caller's by what no JSON has as the first item of one. */
function tagged(kind: string, ...of: readonly unknown[]): readonly unknown[] {
  return ['\u0000', kind, ...of];
}

const unseen = new Set<string>();
const MOST_UNSEEN = 100;

function warnOfUnseen(why: string): void {
  if (unseen.has(why) || unseen.size >= MOST_UNSEEN) return;
  unseen.add(why);
  process.emitWarning(
    `Cannot tell whether a step is asked for with the same input after a resume: ${why}; put what varies into its id`,
    'MillraceWarning',
  );
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/**
 * Looks for the answer that an earlier call of this agent with the same input has left. A cache that cannot be read is a
 * reason to call the agent, not to fail.
 *
 * @param key - What `cacheKeyOf` gives for the step.
 */
export function recallFrom(
  cache: AnswerCache,
  key: string,
  task: StepTask,
  now: number,
): KnownAnswer | undefined | Promise<KnownAnswer | undefined> {
  const { ttlMs = Infinity } = task.policy.cache ?? {};
  // One that is to last longer than answers may was kept before the clock was set back, nobody knows how long ago.
  const isFresh = ({ expiresAt }: KeptAnswer): boolean =>
    expiresAt === undefined || (now < expiresAt && expiresAt - now <= ttlMs);
  const usable = (found: KeptAnswer | undefined): KeptAnswer | undefined =>
    found === undefined || !isFresh(found) || (task.policy.keepPartials === true && found.kept === undefined)
      ? undefined
      : found;
  const standing = (found: KeptAnswer | undefined) => {
    if (found?.doneBy === undefined) return found;
    return whenThere(cache.get(undoneKey(found.doneBy)), (undone) =>
      undone === undefined ? found : undefined,
    );
  };
  const unread = warn('read the cached answer', task);
  try {
    const found = whenThere(cache.get(key), (kept) => standing(usable(kept)));
    return found instanceof Promise ? found.catch(unread) : found;
  } catch (error) {
    unread(error);
    return undefined;
  }
}

function whenThere<T, R>(value: T | Promise<T>, then: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** What this has done is being undone: an answer that it left must not be used any more. */
export function forgetIn(cache: AnswerCache, doneBy: string): void {
  const failed = (error: unknown): void => {
    process.emitWarning(
      `Cannot forget the answer of "${doneBy}": ${toFailure(error).message}`,
      'MillraceWarning',
    );
  };
  try {
    cache.set(undoneKey(doneBy), { output: null })?.catch(failed);
  } catch (error) {
    failed(error);
  }
}

function undoneKey(doneBy: string): string {
  return createHash('sha256')
    .update(JSON.stringify(['undone', doneBy]))
    .digest('hex');
}

/**
 * Keeps the answer of a step for those who ask the same.
 *
 * @param key - What `cacheKeyOf` gives for the step.
 * @param origin - The run that called for it, and the name of what gave the answer, for `forgetIn`.
 * @returns Settles once the cache has the answer, or cannot keep it.
 */
export function memorizeIn(
  cache: AnswerCache,
  key: string,
  task: StepTask,
  now: number,
  { output, givenBy, kept }: KnownAnswer,
  { madeBy, doneBy }: Pick<KeptAnswer, 'madeBy' | 'doneBy'> = {},
): void | Promise<void> {
  const ttlMs = task.policy.cache?.ttlMs;
  const lost = warn('keep the answer', task);
  try {
    const done = cache.set(key, {
      ...(madeBy !== undefined && { madeBy }),
      output,
      ...(givenBy !== undefined && { givenBy }),
      ...(kept !== undefined && { kept }),
      ...(doneBy !== undefined && isWithinSaga(task) && { doneBy }),
      ...(ttlMs !== undefined && ttlMs < Infinity && { expiresAt: now + ttlMs }),
    });
    return done?.catch(lost);
  } catch (error) {
    lost(error);
    return undefined;
  }
}

/** Whether what the step has done may be undone. What is made of it is then undone with it. */
function isWithinSaga({ parent }: StepTask): boolean {
  for (let above = parent; above !== undefined; above = above.parent)
    if (above.definition.kind === 'saga') return true;
  return false;
}

/**
 * The same for the same agent and input; undefined for an input without JSON. May call a function of the user's.
 *
 * With a key of its own an agent shares with all agents of its name and version: that is how to share on purpose. Without one the
 * key holds what the agent consists of, the text of its functions included: another one of that name calls for itself.
 */
export function cacheKeyOf(task: StepTask): string | undefined {
  const { input } = task;
  const known = keys.get(task);
  if (known !== undefined && Object.is(known.input, input)) return known.key;
  const key = keyOf(task);
  keys.set(task, { input, key });
  return key;
}

/** As it was when it was first asked for: the function that is called may change its input. */
const keys = new WeakMap<StepTask, { readonly input: unknown; readonly key: string | undefined }>();

function keyOf({ definition, policy: { cache }, input }: StepTask): string | undefined {
  const { name, version } = definition;
  // JavaScript may give anything, which JSON would take for something else.
  const own: unknown = cache?.key?.(input as never) ?? undefined;
  let text: string;
  try {
    const value = own ?? jsonValue(input, '');
    text = JSON.stringify(
      [
        name,
        ...(own === undefined
          ? ['input', workOf(definition)]
          : ['key', ...(version === undefined ? [] : [version])]),
        ...(value === undefined ? [] : [value]),
      ],
      own === undefined ? undefined : withKinds,
    );
  } catch {
    return undefined;
  }
  return createHash('sha256').update(text).digest('hex');
}

const warn =
  (what: string, { path }: StepTask) =>
  (error: unknown): undefined => {
    process.emitWarning(`Cannot ${what} of step "${path}": ${toFailure(error).message}`, 'MillraceWarning');
  };
