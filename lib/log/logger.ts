import type { TimestampProvider } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import type { LogLevel } from '../model/event';
import { InvalidArgumentError, toFailure } from '../model/failure';
import { hideSecrets } from '../model/secrets/secretTexts';
import { isoTime } from '../model/stepResult';
import type { Delivery, LogTransport } from './delivery';
import { winstonDelivery } from './delivery';
import type { LogData, LogEntry } from './entry';
import { lineOf, logLevels, rankOf } from './entry';
import type { OnLost } from './fileSink';
import { fileSink } from './fileSink';
import type { LogQuery } from './logMemory';
import { logMemory } from './logMemory';
import type { Redaction } from './redact';
import { redactor } from './redact';
import type { LogStream } from './streamSink';
import { streamSink } from './streamSink';

/** How a logger is made. */
export interface LoggerOptions {
  /** The least serious level that is kept; `INFO` when left out. */
  readonly level?: LogLevel;
  /** How many entries `getLogs` remembers; 1,000 when left out. */
  readonly keep?: number;
  /** Lines to `process.stderr`, or to this stream; none when left out. */
  readonly console?: boolean | LogStream;
  /** Lines at the end of this file; none when left out. */
  readonly file?: string;
  /** More outputs: any winston transports. They get the finished entry. */
  readonly transports?: readonly LogTransport[];
  /** What to keep out besides what stands under secret-like keys. */
  readonly redact?: Redaction;
  /** How many entries may wait for an output that is full; 10,000 when left out. */
  readonly queue?: number;
  /** How long `close()` waits for an output, in milliseconds; 5,000 when left out. */
  readonly closeTimeoutMs?: number;
  /** Whose clock gives the timestamps; the system's when left out. */
  readonly scheduler?: TimestampProvider;
}

/**
 * A structured log in five levels. No method throws, whatever it is given, and none of them waits.
 */
export interface Logger {
  /** Details that only matter when something is looked into. */
  debug(component: string, message: string, data?: LogData): void;
  /** What happens, as it should. */
  info(component: string, message: string, data?: LogData): void;
  /** What should not happen, but harms nothing yet. */
  warning(component: string, message: string, data?: LogData): void;
  /** Something failed. */
  error(component: string, message: string, data?: LogData): void;
  /** Something failed that the rest depends on. */
  critical(component: string, message: string, data?: LogData): void;
  /** The same with the level as a value; `at` is epoch milliseconds, now when left out. */
  log(level: LogLevel, component: string, message: string, data?: LogData, at?: number): void;
  /** Whether entries of this level are kept at all. */
  isEnabled(level: LogLevel): boolean;
  /** The latest entries, oldest first. */
  getLogs(query?: LogQuery): readonly LogEntry[];
  /** How many entries of each level there have been since the start, also those no longer remembered. */
  getLogSummary(): Readonly<Record<LogLevel, number>>;
  /** How many times an entry did not reach one of the outputs: it was full, stuck, broken or closed. */
  getDropCount(): number;
  /** Writes out what is waiting and closes the outputs. What is logged later is only remembered. */
  close(): Promise<void>;
}

/**
 * Makes a logger on winston: entries of exactly five keys, one physical line of JSON each, secrets removed before anybody
 * sees them. Without outputs it only remembers.
 *
 * @throws InvalidArgumentError when `keep`, `queue` or `closeTimeoutMs` is not a number from 0, or `keep` not a whole one.
 * @example
 * ```ts
 * const logger = createLogger({ level: 'DEBUG', file: 'run.log' });
 * logger.warning('billing', 'rate limit is near', () => ({ left: limiter.left }));
 * await logger.close();
 * ```
 */
export function createLogger(options: LoggerOptions = {}): Logger {
  const { level: threshold = 'INFO', keep = 1_000, scheduler = asyncScheduler } = options;
  for (const name of ['keep', 'queue', 'closeTimeoutMs'] as const) checkAmount(name, options[name]);
  const atLeast = rankOf(threshold);
  const memory = logMemory(keep);
  const redact = redactor(options.redact);
  const counts: Record<LogLevel, number> = { DEBUG: 0, INFO: 0, WARNING: 0, ERROR: 0, CRITICAL: 0 };
  let dropped = 0;
  let hasTold = false;
  let closing: Promise<void> | undefined;

  const onLost: OnLost = (lines, reason) => {
    dropped += lines;
    if (hasTold || reason === undefined || lines === 0) return;
    hasTold = true;
    const why = hideSecrets(toFailure(reason).message);
    process.emitWarning(`Log entries are lost: ${why}`, 'MillraceWarning');
  };
  const delivery = deliveryFor(options, onLost);

  const log: Logger['log'] = (level, component, message, data, at) => {
    if (rankOf(level) < atLeast) return;
    try {
      const entry: LogEntry = {
        timestamp: isoTime(datable(at ?? scheduler.now())),
        level: logLevels[rankOf(level)] ?? 'INFO',
        component: text(component),
        message: text(message),
        data: redact(data),
      };
      counts[entry.level] += 1;
      memory.add(entry);
      if (delivery === undefined) return;
      if (closing === undefined) delivery.deliver(entry, lineOf(entry));
      else dropped += 1;
    } catch (error) {
      onLost(1, error);
    }
  };

  redacting.add(log);
  return {
    debug: (component, message, data) => {
      log('DEBUG', component, message, data);
    },
    info: (component, message, data) => {
      log('INFO', component, message, data);
    },
    warning: (component, message, data) => {
      log('WARNING', component, message, data);
    },
    error: (component, message, data) => {
      log('ERROR', component, message, data);
    },
    critical: (component, message, data) => {
      log('CRITICAL', component, message, data);
    },
    log,
    isEnabled: (level) => rankOf(level) >= atLeast,
    getLogs: (query = {}) => memory.find(query),
    getLogSummary: () => ({ ...counts }),
    getDropCount: () => dropped,
    close: () => (closing ??= delivery?.close() ?? Promise.resolve()),
  };
}

/** @throws InvalidArgumentError for a setting that is missing, such as `Number(process.env.KEEP)`: entries would be lost in silence. */
function checkAmount(name: 'keep' | 'queue' | 'closeTimeoutMs', value: number | undefined): void {
  if (value === undefined) return;
  const isWhole = name !== 'keep' || value === Infinity || Number.isInteger(value);
  if (typeof value === 'number' && value >= 0 && isWhole) return;
  throw new InvalidArgumentError(
    `Cannot make a logger with ${name} ${String(value)}`,
    name === 'keep' ? 'give a whole number from 0' : 'give a number from 0',
  );
}

const redacting = new WeakSet<Logger['log']>();

/**
 * A log target that is told no secrets: a logger of `createLogger` itself, which removes them together with those of its
 * own `redact` option; any other target behind the rules of `isSecretKey`.
 */
export function toldNoSecrets(target: Pick<Logger, 'log'>): Pick<Logger, 'log'> {
  if (redacting.has(target.log)) return target;
  const redact = redactor();
  return {
    log(level, component, message, data, at) {
      target.log(
        level,
        text(component),
        text(message),
        data === undefined ? undefined : () => redact(data),
        at,
      );
    },
  };
}

function deliveryFor(
  options: LoggerOptions,
  onLost: (lines: number, reason: unknown) => void,
): Delivery | undefined {
  const {
    console: output = false,
    file,
    transports = [],
    queue: limit = 10_000,
    closeTimeoutMs = 5_000,
  } = options;
  const sinks = [
    ...(output === false ? [] : [streamSink(output === true ? process.stderr : output, limit, onLost)]),
    ...(file === undefined ? [] : [fileSink(file, onLost)]),
  ];
  if (sinks.length === 0 && transports.length === 0) return undefined;
  return winstonDelivery({ sinks, transports, limit, closeTimeoutMs, onLost });
}

const LONGEST = 8_192;

function text(value: unknown): string {
  const whole = typeof value === 'string' ? value : printed(value);
  if (whole.length <= LONGEST) return hideSecrets(whole);
  // Cut later than shown: half a secret looks like none.
  const note = `… [${whole.length} characters]`;
  return `${hideSecrets(whole.slice(0, 2 * LONGEST)).slice(0, LONGEST - note.length)}${note}`;
}

function printed(value: unknown): string {
  try {
    return String(value);
  } catch {
    return '[unprintable]';
  }
}

/** Dates end with the year 275760. */
function datable(at: number): number {
  return Math.abs(at) <= 8.64e15 ? at : 0;
}
