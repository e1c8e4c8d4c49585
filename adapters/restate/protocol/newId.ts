import { decodeTime } from 'ulid';

/** For so long, in milliseconds, an id is new. */
const NEW_MS = 1_000;

/** The server keeps a life for so long after its end at least, in milliseconds: longer than an id is new. */
export const LEAST_KEPT_MS = 2 * NEW_MS;

/** Other ULIDs have a time that there is not. */
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

/**
 * Whether an id was made just now, as `run()` makes one where none is given. If the run has begun all the same, then not long ago: the
 * server still has its first life, and refuses to begin it again.
 *
 * @param now - Epoch milliseconds.
 */
export function isNewId(runId: string, now: number): boolean {
  return ULID.test(runId) && Math.abs(now - decodeTime(runId)) < NEW_MS;
}

/** Whether an id is a ULID of a later time: it would be taken for a new one then. */
export function isIdOfLater(runId: string, at: number): boolean {
  return ULID.test(runId) && decodeTime(runId) > at;
}
