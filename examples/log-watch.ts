/*
 * Watching a growing file without an end: lines are counted in windows of time, each window is a run, and rules tell while
 * too many lines are errors. Ctrl-C ends it cleanly: the last window is finished, the log is written out.
 *
 *   npx ts-node examples/log-watch.ts [file]      without a file it watches one that it writes itself
 */
import { appendFileSync, existsSync, mkdtempSync, watch as watchFile, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  bufferTime,
  concatMap,
  debounceTime,
  filter,
  from,
  fromEvent,
  interval,
  map,
  merge,
  Observable,
  scan,
  startWith,
  takeUntil,
} from 'rxjs';

import {
  above,
  agent,
  alertOn,
  chain,
  createLogger,
  createMonitor,
  logTo,
  measure,
  outputs,
  runEach,
} from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const WINDOW_MS = 500;

const parse = agent('parse', (lines: readonly string[]) =>
  lines.map((line) => {
    const [level = '', ...message] = line.split(' ');
    return { level, message: message.join(' ') };
  }),
);
const count = agent('count', (entries: readonly { level: string; message: string }[]) => ({
  lines: entries.length,
  errors: entries.filter(({ level }) => level === 'ERROR').length,
}));
const judge = agent('judge', ({ lines, errors }: { lines: number; errors: number }) => {
  if (errors * 4 > lines) throw new Error(`${errors} of ${lines} lines are errors`);
  return `${lines} lines, ${errors} errors`;
});
const window = chain('window', parse, count, judge);

const logger = createLogger({ level: 'WARNING', console: process.stderr });
const monitor = createMonitor({ logger });
monitor.alert('two bad windows in a row', (stats$) =>
  stats$.pipe(
    filter(({ latest }) => latest !== undefined),
    scan((inARow, { latest }) => (latest?.success === false ? inARow + 1 : 0), 0),
    above(1, { clear: 1 }),
  ),
);

const stop$ = merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'));

const given = process.argv[2];
if (given !== undefined && !existsSync(given)) {
  console.error(`Cannot watch "${given}": there is no such file`);
  process.exit(1);
}

// Ended before the windows, so that the last one, however short, still counts.
const lines$ = linesOf(given ?? selfWritten()).pipe(takeUntil(stop$));

lines$
  .pipe(
    bufferTime(WINDOW_MS),
    filter((lines) => lines.length > 0),
    runEach(window, { concurrency: 1 }),
    logTo(logger),
    measure(monitor),
    alertOn(monitor, ({ ruleName, status }) => {
      console.log(status === 'FIRED' ? `!! ${ruleName}` : `ok ${ruleName}: over`);
    }),
    outputs(),
  )
  .subscribe({
    next: (text) => {
      console.log(text);
    },
    complete: () => {
      console.log(`\n${monitor.metricsReport()}`);
      void logger.close();
    },
  });

/** The lines that are added to a file from now on, as `tail -f` gives them. */
function linesOf(file: string): Observable<string> {
  const changes$ = new Observable<void>((subscriber) => {
    const watcher = watchFile(file, () => {
      subscriber.next();
    });
    return () => {
      watcher.close();
    };
  });
  let position = 0;
  let torn = '';
  const grown = async (): Promise<string[]> => {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      const { bytesRead, buffer } = await handle.read(
        Buffer.alloc(Math.max(0, size - position)),
        0,
        null,
        position,
      );
      position += bytesRead;
      const lines = (torn + buffer.toString('utf8', 0, bytesRead)).split('\n');
      torn = lines.pop() ?? '';
      return lines;
    } finally {
      await handle.close();
    }
  };
  return changes$.pipe(
    debounceTime(20),
    startWith(undefined),
    concatMap(() => grown()),
    concatMap((lines) => from(lines)),
  );
}

/** A file that gets a line every 40 ms; for a while, after a second, every second one is an error. */
function selfWritten(): string {
  const file = join(mkdtempSync(join(tmpdir(), 'millrace-watch-')), 'app.log');
  writeFileSync(file, '');
  interval(40)
    .pipe(
      map((n) =>
        n > 25 && n < 65 && n % 2 === 0 ? `ERROR request ${n} failed` : `INFO request ${n} served`,
      ),
      takeUntil(stop$),
    )
    .subscribe((line) => {
      appendFileSync(file, `${line}\n`);
    });
  console.log(`watching ${file}; Ctrl-C ends it\n`);
  return file;
}
