/*
 * Watching a growing file without an end: lines are collected in windows of time, each window is a run, and rules tell while too
 * many lines are errors. Ctrl-C ends it; the next start with the same folder goes on behind the last line that was handled, however
 * the file was rotated meanwhile, with the window that was open.
 *
 *   npx ts-node examples/log-watch.ts [file [folder]]      without a file it watches one that it writes itself
 */
import { appendFileSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { filter, fromEvent, interval, map, merge, scan, takeUntil } from 'rxjs';

import {
  above,
  agent,
  alertOn,
  chain,
  createLogger,
  createMonitor,
  fromOffset,
  lines,
  logTo,
  lowdbStore,
  measure,
  outputs,
  runEach,
  windowed,
} from '../index';

// Whoever reads may leave early, as `| head` does.
process.stdout.on('error', () => process.exit());

const WINDOW_MS = 500;

const parse = agent('parse', ({ items }: { readonly items: readonly string[] }) =>
  items.map((line) => {
    const [level = '', ...message] = line.split(' ');
    return { level, message: message.join(' ') };
  }),
);
const count = agent('count', (entries: readonly { level: string; message: string }[]) => ({
  total: entries.length,
  errors: entries.filter(({ level }) => level === 'ERROR').length,
}));
const judge = agent('judge', ({ total, errors }: { total: number; errors: number }) => {
  if (errors * 4 > total) throw new Error(`${errors} of ${total} lines are errors`);
  return `${total} lines, ${errors} errors`;
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

const file = given ?? selfWritten();
const store = lowdbStore(process.argv[3] ?? mkdtempSync(join(tmpdir(), 'millrace-watch-')));

// A bad window is told, and the offset passes it.
fromOffset(lines(file, { pollMs: 100 }), { name: 'log', store, monitor, onFailed: 'pass' })
  .pipe(
    windowed('windows', { sizeMs: WINDOW_MS }, { byClock: true }),
    runEach(window, { store, concurrency: 1, keep: 'failed' }),
    logTo(logger),
    measure(monitor),
    alertOn(monitor, ({ ruleName, status }) => {
      console.log(status === 'FIRED' ? `!! ${ruleName}` : `ok ${ruleName}: over`);
    }),
    outputs(),
    takeUntil(stop$),
  )
  .subscribe({
    next: (text) => {
      console.log(text);
    },
    complete: () => {
      console.log(`\n${monitor.metricsReport()}`);
      void store.close();
      void logger.close();
    },
  });

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
