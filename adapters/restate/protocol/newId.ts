import { decodeTime } from 'ulid';

/** How far the time of an id may be from now for the id to count as new, in milliseconds. */
const NEW_MS = 1_000;

/** The shortest time for which the server keeps a life after its end, in milliseconds: longer than an id is new. */
export const LEAST_KEPT_MS = 2 * NEW_MS;

/** A first character above 7 would say a time of more than 48 bits. */
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

/**
 * Whether an id is a ULID of so late a time that it would be taken for a new one when the server has forgotten the first life of its run.
 *
 * @param now - Epoch milliseconds, as the run begins.
 * @param keptForMs - For how long the server keeps that life.
 */
export function isIdOfLater(runId: string, now: number, keptForMs: number): boolean {
  return ULID.test(runId) && decodeTime(runId) > now + keptForMs - NEW_MS;
}
