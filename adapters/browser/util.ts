// What the core asks of `node:util`.
export { dequal as isDeepStrictEqual } from 'dequal';

const isTagged =
  (...tags: readonly string[]) =>
  (value: unknown): boolean =>
    tags.includes(Object.prototype.toString.call(value).slice(8, -1));

export const types = {
  isDate: isTagged('Date'),
  isRegExp: isTagged('RegExp'),
  isMap: isTagged('Map'),
  isSet: isTagged('Set'),
  isWeakMap: isTagged('WeakMap'),
  isWeakSet: isTagged('WeakSet'),
  isPromise: isTagged('Promise'),
  isAnyArrayBuffer: isTagged('ArrayBuffer', 'SharedArrayBuffer'),
  isNativeError: isTagged('Error', 'DOMException'),
};

/** Asked only whether an array has nothing but its items: who gets no answer counts the keys. */
export const inspect = (): string => '';

export const stripVTControlCharacters = (text: string): string =>
  // eslint-disable-next-line no-control-regex -- these are what is taken away
  text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]/g, '');

/** What it is given says itself, when it is called, that it is not there. */
export const promisify = <F>(call: F): F => call;
