import { decodeTime } from 'ulid';

import { orderedIds } from '../model/orderedIds';

/** Tells the time; every RxJS scheduler does. */
export interface Clock {
  now(): number;
}

/** Makes ids that sort by the time they were made, also within one millisecond and when the clock is set back. */
export function ids(clock: Clock): () => string {
  const next = orderedIds();
  let latest = 0;
  return () => {
    latest = Math.max(latest, clock.now());
    return next(latest);
  };
}

/** When a name was made that begins with such an id, epoch milliseconds; Infinity for any other name. */
export function madeAt(name: string): number {
  const id = /^([0-7][0-9A-HJKMNP-TV-Z]{25})\./.exec(name)?.[1];
  return id === undefined ? Infinity : decodeTime(id);
}
