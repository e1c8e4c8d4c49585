/*
 * What users do, in sessions, with a top list by minute: the usual questions to a stream of clicks. No free log of clicks with their
 * times was at hand, so the events are real ones of another kind: a week of earthquakes (data/SOURCES.md). A region is the user, a
 * quake the click. Each comes twice, as from a source that delivers at least once. Where clicks come by the minute, quakes come by the
 * hour: a list of six hours says more, and is what you get when no number of minutes is given.
 *
 * The process may be killed at any time and started again with the same folder: each session and each list is told under one id.
 *
 *   npx ts-node examples/clickstream.ts [folder [minutes [lines]]]
 *
 * `minutes` is the length of a list: 1 for a list by minute. After `lines` lines it kills itself.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { concatMap, map, merge, of, share, tap } from 'rxjs';

import { deduped, fromOffset, lines, lowdbStore, windowed } from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

interface Quake {
  readonly id: string;
  readonly time: number;
  readonly mag: number;
  readonly place: string;
}

const [
  ,
  ,
  folder = mkdtempSync(join(tmpdir(), 'millrace-clicks-')),
  minutes = '360',
  killAfter = 'Infinity',
] = process.argv;
const HOUR_MS = 3_600_000;
const LIST_MS = Number(minutes) * 60_000;

/** `5km SSE of Julian, CA` is in CA. */
const regionOf = ({ place }: Quake): string => place.slice(place.lastIndexOf(',') + 1).trim();
const at = ({ time }: Quake): number => time;
const minuteOf = (moment: number): string => new Date(moment).toISOString().slice(0, 16);

/** Those that come most often, with how often. */
function top(names: readonly string[], count: number): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return sorted
    .slice(0, count)
    .map(([name, times]) => `${name} ${times}`)
    .join(', ');
}

const store = lowdbStore(folder);
const file = join(__dirname, 'data', 'earthquakes.ndjson');
let left = Number(killAfter);

const quakes$ = fromOffset(lines(file, { follow: false }), { name: 'quakes', store }).pipe(
  tap(() => {
    left -= 1;
    if (left < 0) process.kill(process.pid, 'SIGKILL');
  }),
  map((line) => JSON.parse(line) as Quake),
  // As a source that delivers at least once.
  concatMap((quake) => of(quake, quake)),
  deduped('seen', ({ id }) => id, { at, withinMs: HOUR_MS }),
  share(),
);
const sessions$ = quakes$.pipe(
  windowed('sessions', { gapMs: HOUR_MS }, { key: regionOf, at }),
  map(({ id, key, from, to, items }) => {
    const lasted = Math.round((to - HOUR_MS - from) / 60_000);
    return `${id}: ${items.length} in ${key} within ${lasted} min`;
  }),
);
const lists$ = quakes$.pipe(
  windowed('lists', { sizeMs: LIST_MS }, { at }),
  map(({ id, from, items }) => `${id}: from ${minuteOf(from)} on ${top(items.map(regionOf), 3)}`),
);

merge(sessions$, lists$).subscribe({
  next: (text) => {
    console.log(text);
  },
  complete: () => {
    void store.close();
  },
  error: (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
});
