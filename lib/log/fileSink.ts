import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Where finished lines go. Nothing here throws: what could not be written is counted. */
export interface LineSink {
  /** Takes a line without its line feed. */
  write(line: string): void;
  /** Writes at once what is waiting, as far as that is possible without waiting. */
  flush(): void;
  /** Writes what is waiting and gives back what was opened; resolves when that is done. */
  close(): Promise<void>;
}

/** Told how many lines were lost, and why. */
export type OnLost = (lines: number, reason: unknown) => void;

const BATCH = 65_536;
const LINE_FEED = 10;

const open = new Set<LineSink>();

/**
 * Appends lines to a file: in batches, at the latest when the turn of the event loop is over, and when the process exits.
 *
 * Written synchronously on purpose: a line is lost only when the process is killed from outside in the very turn that logs
 * it, and then no more than the last 64 KiB. When the disk refuses, the batch is counted as lost and the next one is tried again.
 * A file that was renamed, as logrotate does, or deleted is left and begun anew, its folder too.
 */
export function fileSink(name: string, onLost: OnLost): LineSink {
  // The process may go to another folder.
  const path = resolve(name);
  let file: number | undefined;
  let waiting: string[] = [];
  let length = 0;
  let timer: NodeJS.Immediate | undefined;
  let isTorn = false;

  const flush = (): void => {
    clearImmediate(timer);
    timer = undefined;
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    length = 0;
    const prefix = isTorn ? 1 : 0;
    const bytes = Buffer.from(`${isTorn ? '\n' : ''}${lines.join('\n')}\n`);
    let written = 0;
    try {
      if (file !== undefined && !isStillAt(path, file)) {
        release(file);
        file = undefined;
        isTorn = false;
      }
      file ??= opened(path);
      while (written < bytes.length) written += writeSync(file, bytes, written);
      isTorn = false;
    } catch (error) {
      // What was written may end in the middle of a line: the next batch then begins on a new one.
      if (written > 0) isTorn = bytes[written - 1] !== LINE_FEED;
      onLost(lines.length - lineFeedsIn(bytes.subarray(prefix, Math.max(prefix, written))), error);
    }
  };

  const sink: LineSink = {
    write(line) {
      waiting.push(line);
      length += line.length;
      if (length >= BATCH) flush();
      else timer ??= setImmediate(flush);
    },
    flush,
    close() {
      flush();
      forget(sink);
      if (file !== undefined) release(file);
      file = undefined;
      return Promise.resolve();
    },
  };
  remember(sink);
  return sink;
}

function opened(path: string): number {
  try {
    return openSync(path, APPEND, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, APPEND, 0o600);
  }
}

/** Not to be blocked: a pipe that nobody reads would stop the process; it is an error this way, and counted. */
const APPEND = constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY | constants.O_NONBLOCK;

/** Whether what is open is still what stands under this name. */
function isStillAt(path: string, file: number): boolean {
  const there = statSync(path, { throwIfNoEntry: false });
  const ours = fstatSync(file);
  return there?.ino === ours.ino && there.dev === ours.dev;
}

function lineFeedsIn(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte === LINE_FEED) count += 1;
  return count;
}

function release(file: number): void {
  try {
    fsyncSync(file);
  } catch {
    // Pipes and devices cannot be synced.
  }
  try {
    closeSync(file);
  } catch {
    // Nothing can be done about it, and nothing is lost by it.
  }
}

function flushAll(): void {
  for (const sink of open) sink.flush();
}

/** One listener for all files: Node warns about the eleventh. */
function remember(sink: LineSink): void {
  if (open.size === 0) process.on('exit', flushAll);
  open.add(sink);
}

function forget(sink: LineSink): void {
  open.delete(sink);
  if (open.size === 0) process.off('exit', flushAll);
}
