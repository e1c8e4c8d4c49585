import type * as Winston from 'winston';

import type { LogEntry } from './entry';
import { logLevels, rankOf } from './entry';
import type { LineSink, OnLost } from './fileSink';
import { LinesLostError } from '../errors/storageErrors';
import { LONGEST_DELAY_MS } from '../model/backoff';

// The symbols of triple-beam, under which winston looks for the level and the finished line.
const LEVEL = Symbol.for('level');
const MESSAGE = Symbol.for('message');

/** Any winston transport; told without the types of winston, which need those of Node. */
export interface LogTransport {
  write(entry: object): boolean;
  once(event: string, listener: () => void): unknown;
  log?(entry: object, next: () => void): unknown;
}

/** Hands finished entries to winston. Nothing here throws: what did not arrive is counted. */
export interface Delivery {
  deliver(entry: LogEntry, line: string): void;
  flush(): void;
  close(): Promise<void>;
}

export interface DeliveryOptions {
  /** Outputs of ours: they take every line at once and buffer by themselves. */
  readonly sinks: readonly LineSink[];
  /** Outputs of others: each gets a winston of its own, so that one that is stuck does not hold up the rest. */
  readonly transports: readonly LogTransport[];
  /** How many entries may wait for one of the others' outputs. */
  readonly limit: number;
  /** How long `close()` waits for an output, in milliseconds. */
  readonly closeTimeoutMs: number;
  readonly onLost: OnLost;
}

/** Makes its winston loggers when the first entry comes: until then winston is not even loaded. */
export function winstonDelivery(options: DeliveryOptions): Delivery {
  const { sinks, transports, limit, closeTimeoutMs, onLost } = options;
  let loggers: readonly Winston.Logger[] | undefined;

  return {
    deliver(entry, line) {
      loggers ??= loggersFor(sinks, transports, onLost);
      for (const logger of loggers) {
        if (logger.writableLength >= limit) {
          onLost(1, undefined);
          continue;
        }
        try {
          // Each winston gets a record of its own: formats are allowed to change what they are given.
          logger.write({ ...entry, [LEVEL]: entry.level, [MESSAGE]: line });
        } catch (error) {
          onLost(1, error);
        }
      }
    },
    flush() {
      for (const sink of sinks) sink.flush();
    },
    async close() {
      const ends = (loggers ?? []).map((logger) =>
        within(closeTimeoutMs, ended(logger), () => {
          onLost(
            logger.writableLength,
            new LinesLostError(`a log output did not finish within ${closeTimeoutMs} ms`),
          );
        }),
      );
      await Promise.all(ends);
      await Promise.all(sinks.map((sink) => within(closeTimeoutMs, sink.close(), () => undefined)));
    },
  };
}

function loggersFor(
  sinks: readonly LineSink[],
  transports: readonly LogTransport[],
  onLost: OnLost,
): readonly Winston.Logger[] {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when first used: 50 ms that not every program needs
  const winston = require('winston') as WinstonModule;
  const own = sinks.map(
    (sink) =>
      new winston.Transport({
        log(info, next) {
          sink.write(info[MESSAGE] ?? '');
          // As winston does inside: else every entry leaves work for `nextTick`, which a run of Promises alone never reaches.
          this._writableState.sync = false;
          next();
        },
      }),
  );
  const groups = [...(own.length > 0 ? [own] : []), ...transports.map((transport) => [transport])];
  return groups.map((group) => {
    const logger = winston.createLogger({
      levels: Object.fromEntries(logLevels.map((level) => [level, rankOf('CRITICAL') - rankOf(level)])),
      level: 'DEBUG',
      // The entry is finished already.
      format: winston.format((info) => info)(),
      transports: group,
      exitOnError: false,
    });
    logger.on('error', (error: unknown) => {
      onLost(1, error);
    });
    return logger;
  });
}

/** What is used of winston, whose types know its base class under another name than winston does. */
interface WinstonModule extends Pick<typeof Winston, 'format'> {
  readonly Transport: TransportClass;
  createLogger(
    options: Omit<Winston.LoggerOptions, 'transports'> & { readonly transports: readonly LogTransport[] },
  ): Winston.Logger;
}

type TransportClass = new (options: {
  log: (
    this: { readonly _writableState: { sync: boolean } },
    info: Readonly<Record<symbol, string>>,
    next: () => void,
  ) => void;
}) => Winston.transport;

/** Resolves when everything written to this winston has left its transports, or they have given up. */
function ended(logger: Winston.Logger): Promise<unknown> {
  const finished = logger.transports.map(
    (transport) =>
      new Promise<void>((resolve) => {
        transport.once('finish', resolve);
        transport.once('close', resolve);
        transport.once('error', () => {
          resolve();
        });
      }),
  );
  logger.end();
  return Promise.all(finished);
}

async function within(limitMs: number, work: Promise<unknown>, late: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    // Node turns longer delays, and Infinity, into 1 ms.
    const delayMs = Math.min(limitMs, LONGEST_DELAY_MS);
    timer = setTimeout(() => {
      late();
      resolve();
    }, delayMs);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
