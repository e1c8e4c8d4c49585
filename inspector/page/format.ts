import { signal } from '@preact/signals-core';

import type { GivenBy } from '../../lib/model/givenBy';
import type { RunStatus } from '../../lib/model/state';
import type { StepStatus } from '../../lib/model/stepResult';
import { language, t } from './texts';

/** Whether moments are shown in UTC rather than in the time of this place. */
export const inUtc = signal(false);
/** The clock of the server minus that of this machine, milliseconds. */
export const clockSkew = signal(0);

/** Epoch milliseconds by the clock of the server. */
export function now(): number {
  // eslint-disable-next-line no-restricted-properties -- the page has no scheduler: it shows the time that it is
  return Date.now() + clockSkew.value;
}

/** An icon for each state, so that nothing depends on colour alone. */
export const icons: Readonly<Record<RunStatus | StepStatus, string>> = {
  IDLE: '·',
  PENDING: '·',
  RUNNING: '◐',
  SUSPENDED: '❚❚',
  COMPLETED: '✔',
  FAILED: '✖',
  SKIPPED: '↷',
  CANCELLED: '■',
};

/** An id short enough for a line: its end, because ids of one moment begin alike. */
export function shortRunId(runId: string): string {
  return runId.length <= 14 ? runId : `…${runId.slice(-6)}`;
}

/** `83 ms`, `1.2 s`, `3 m 20 s`, `2 h 5 m`, `3 d 4 h`; in Korean `3분 20초`. */
export function spanText(ms: number): string {
  if (!Number.isFinite(ms)) return '';
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return t('seconds', { n: (ms / 1_000).toFixed(1) });
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return t('seconds', { n: seconds });
  const pair = (whole: number, unit: Unit, rest: number, small: Unit): string =>
    rest === 0 ? t(unit, { n: whole }) : `${t(unit, { n: whole })} ${t(small, { n: rest })}`;
  if (seconds < 3_600) return pair(Math.floor(seconds / 60), 'minutes', seconds % 60, 'seconds');
  const minutes = Math.round(seconds / 60);
  if (minutes < 1_440) return pair(Math.floor(minutes / 60), 'hours', minutes % 60, 'minutes');
  const hours = Math.round(minutes / 60);
  return pair(Math.floor(hours / 24), 'days', hours % 24, 'hours');
}

type Unit = 'days' | 'hours' | 'minutes' | 'seconds';

/** The moment as a clock shows it, with the day where that is not today. */
export function clockText(at: number, isExact = false): string {
  const sameDay = dayText(at) === dayText(now());
  const format = formatFor(
    `${language.value}|${String(inUtc.value)}|${String(sameDay)}|${String(isExact)}`,
    () =>
      new Intl.DateTimeFormat(language.value, {
        ...(sameDay && !isExact ? {} : { year: 'numeric', month: '2-digit', day: '2-digit' }),
        hour: '2-digit',
        minute: '2-digit',
        second: '2-digit',
        hourCycle: 'h23',
        ...(isExact ? { fractionalSecondDigits: 3, timeZoneName: 'short' } : {}),
        ...(inUtc.value ? { timeZone: 'UTC' } : {}),
      }),
  );
  return format.format(at);
}

/** How long ago, or how long until. */
export function agoText(at: number): string {
  const seconds = Math.round((at - now()) / 1_000);
  const words = relative();
  for (const [unit, length] of units)
    if (Math.abs(seconds) >= length) return words.format(Math.trunc(seconds / length), unit);
  return words.format(seconds, 'second');
}

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const;

const formats = new Map<string, Intl.DateTimeFormat>();
function formatFor(key: string, make: () => Intl.DateTimeFormat): Intl.DateTimeFormat {
  const known = formats.get(key) ?? make();
  formats.set(key, known);
  return known;
}

function relative(): Intl.RelativeTimeFormat {
  return new Intl.RelativeTimeFormat(language.value, { numeric: 'auto', style: 'short' });
}

function dayText(at: number): string {
  const day = new Date(at);
  return inUtc.value ? day.toISOString().slice(0, 10) : day.toDateString();
}

/** `4,210`. */
export function numberText(value: number): string {
  return value.toLocaleString(language.value);
}

/** `64 kB`. */
export function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(bytes < 1e4 ? 1 : 0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** Which agent gave an output; undefined where none is known: a person answered, or a policy put it there. */
export function giverText(by: GivenBy | undefined): string | undefined {
  return namesAgent(by) ? briefly(by) : undefined;
}

function namesAgent(by: unknown): boolean {
  return typeof by === 'string' || Object.values(by ?? {}).some(namesAgent);
}

/** A value on one line, cut. */
export function briefly(value: unknown, most = 80): string {
  const text = typeof value === 'string' ? value : jsonText(value);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

/** An id as a part of an address. Half a character, as one that was cut may end with, stands in no address: nothing is found there. */
export function addressPart(id: string): string {
  return encodeURIComponent(id.replaceAll(/\p{Surrogate}/gu, '\ufffd'));
}

/** A value over several lines; a text as it is. */
export function pretty(value: unknown): string {
  return typeof value === 'string' ? value : jsonText(value, 2);
}

/** Of what is not there, no text. */
function jsonText(value: unknown, indent?: number): string {
  return value === undefined ? '' : JSON.stringify(value, undefined, indent);
}
