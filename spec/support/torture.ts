import { appendFileSync } from 'node:fs';

/*
 * How much a test does. `npm test` does the short amount, `npm run test:laws` some more, and `npm run torture` the long one times
 * its scale, with a seed of its own and with the time it takes; what was done in the end is told to the runner, which prints it.
 */

const scale = process.env['MILLRACE_TORTURE'];

/** Whether this is `npm run torture`. */
export const isLong = scale !== undefined;
if (isLong) jest.setTimeout(7_200_000);

/** Whether this is `npm run test:laws`, which CI runs beside `npm test`. */
const isAmongLaws = process.env['LAW_CASES'] !== undefined;

/** How often something is done: so often in `npm test` and among the laws, and in the long form so often times the scale. */
export function amount(short: number, long: number, amongLaws = short): number {
  if (isLong) return Math.max(1, Math.round(long * Number(scale)));
  return isAmongLaws ? amongLaws : short;
}

/** From how many points one is looked at: all of them in the long form, fewer when its scale is below 1. */
export function everyNth(short: number, amongLaws = 1): number {
  if (isLong) return Math.max(1, Math.round(1 / Number(scale)));
  return isAmongLaws ? amongLaws : short;
}

/** The seed of the long form; otherwise the usual one, so that `npm test` always does the same. */
export function seedOr(usual: number): number {
  const { SEED: given } = process.env;
  return given === undefined ? usual : Number(given);
}

/** Tells the runner how much was done in the end. */
export function tally(what: string, count: number): void {
  const { MILLRACE_TALLY: file } = process.env;
  if (file !== undefined) appendFileSync(file, `${JSON.stringify([what, count])}\n`);
}
