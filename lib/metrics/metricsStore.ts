import { lstat, open, readFile, rm, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import { asyncScheduler } from 'rxjs';
import type writeFileAtomic from 'write-file-atomic';

import { MillraceError, toFailure } from '../model/failure';
import { mergeStates } from './mergeStates';
import type { MonitorState } from './monitor';

/** Where the numbers of a monitor rest between two lives of a process. */
export interface MetricsStore {
  /** What was saved last; undefined when nothing was. */
  load(): Promise<MonitorState | undefined>;
  /** Replaces what was saved. */
  save(state: MonitorState): Promise<void>;
}

/** A file with metrics is damaged, or was written by a newer version. */
export class MetricsFileError extends MillraceError {
  /** `MetricsFileError`. */
  override readonly name = 'MetricsFileError';
  /** `METRICS_FILE`. */
  readonly code = 'METRICS_FILE';
  /** The file that cannot be read. */
  readonly file: string;

  constructor(file: string, why: string, cause?: unknown) {
    super(`Cannot read metrics from "${file}": ${why}`, 'move the file away to begin with zeros', { cause });
    this.file = file;
  }
}

/** A file with metrics could not be saved: another process keeps it to itself. */
export class MetricsBusyError extends MillraceError {
  /** `MetricsBusyError`. */
  override readonly name = 'MetricsBusyError';
  /** `METRICS_BUSY`. */
  readonly code = 'METRICS_BUSY';
  /** The file that cannot be saved. */
  readonly file: string;

  constructor(file: string, lock: string, cause: unknown) {
    super(
      `Cannot save metrics to "${file}": another process has held "${lock}" for too long`,
      'end that process, or give each process a file of its own',
      { cause },
    );
    this.file = file;
  }
}

/**
 * Keeps metrics in one JSON file, replaced as a whole so that a crash leaves the former one.
 *
 * Several processes may write one file: what another one has added since is kept, and the file has the numbers of all. A
 * monitor shows its own until it is opened again.
 *
 * @throws MetricsFileError from `load` when the file is not what `save` wrote, and from `save` when it no longer is.
 * @throws MetricsBusyError from `save` when another process holds it for more than 10 s.
 */
export function metricsFile(file: string): MetricsStore {
  return new MetricsFile(file);
}

class MetricsFile implements MetricsStore {
  readonly #file: string;
  /** What our monitor had when it was last loaded or saved. */
  #ours: MonitorState | undefined;
  /** What the file had then, and which file that was. */
  #written: MonitorState | undefined;
  #seen: string | undefined;
  #isShared = false;

  constructor(file: string) {
    // The process may go to another folder.
    this.#file = resolve(file);
  }

  async load(): Promise<MonitorState | undefined> {
    this.#seen = await identityOf(this.#file);
    this.#ours = await stateIn(this.#file);
    this.#written = this.#ours;
    return this.#ours;
  }

  async save(state: MonitorState): Promise<void> {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when first used
    const write = require('write-file-atomic') as typeof writeFileAtomic;
    const release = await heldAlone(this.#file);
    try {
      if (this.#seen !== (await identityOf(this.#file))) {
        this.#written = await stateIn(this.#file);
        this.#isShared = true;
      }
      const theirs = this.#isShared ? this.#written : undefined;
      const all = theirs === undefined ? state : mergeStates(theirs, state, this.#ours);
      await write(this.#file, `${JSON.stringify(all)}\n`, { mode: 0o600 });
      this.#ours = state;
      this.#written = all;
      this.#seen = await identityOf(this.#file);
    } finally {
      await release();
    }
  }
}

/** Tells whether the file has been replaced; undefined when there is none. */
async function identityOf(file: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true });
    return `${ino} ${size} ${mtimeNs}`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A save takes milliseconds: whoever has held the file for longer was killed. */
const STALE_MS = 5_000;
const PATIENCE_MS = 10_000;

/** Keeps others from saving at the same moment, until the function it gives is called. */
async function heldAlone(file: string): Promise<() => Promise<void>> {
  const lock = `${file}.lock`;
  const giveUpAt = performance.now() + PATIENCE_MS;
  let seen: { readonly lock: string; readonly at: number } | undefined;
  for (;;) {
    try {
      await (await open(lock, 'wx', 0o600)).close();
      return () => given(lock);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (performance.now() > giveUpAt) throw new MetricsBusyError(file, lock, error);
      if (await isLeftBehind(lock, error)) await rm(lock, { force: true });
      else await setTimeout(10 + 20 * Math.random());
    }
  }

  /** What is saved is saved, whatever becomes of the lock: one that cannot be removed counts as left behind in the end. */
  async function given(lock: string): Promise<void> {
    await rm(lock, { force: true }).catch(() => rm(lock, { force: true }).catch(() => undefined));
  }

  async function isLeftBehind(lock: string, error: unknown): Promise<boolean> {
    const there = await lstat(lock).catch(() => undefined);
    if (there === undefined) return false;
    // Ours are empty files: anything else is neither waited for nor removed.
    if (!there.isFile() || there.size > 0) throw new MetricsBusyError(file, lock, error);
    const same = `${there.ino} ${there.mtimeMs}`;
    if (seen?.lock !== same) seen = { lock: same, at: performance.now() };
    // By its date it may be of the future, when the clock was set back since.
    return asyncScheduler.now() - there.mtimeMs > STALE_MS || performance.now() - seen.at > STALE_MS;
  }
}

async function stateIn(file: string): Promise<MonitorState | undefined> {
  const text = await textOf(file);
  return text === undefined ? undefined : stateOf(file, text);
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    // Whoever opens a pipe waits for its other end, for ever.
    const there = await stat(file);
    if (!there.isFile() && !there.isDirectory()) throw new MetricsFileError(file, 'it is not a file');
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    if (error instanceof MetricsFileError) throw error;
    throw new MetricsFileError(file, toFailure(error).message, error);
  }
}

function stateOf(file: string, text: string): MonitorState {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new MetricsFileError(file, 'it is not JSON', error);
  }
  const decoded = monitorState.decode(content);
  if (isLeft(decoded)) throw new MetricsFileError(file, 'it does not hold what a monitor saves');
  return decoded.right;
}

const durations = t.intersection([
  t.type({
    count: t.number,
    mean: t.number,
    m2: t.number,
    min: t.number,
    max: t.number,
    total: t.number,
    sketch: t.readonlyArray(t.readonly(t.tuple([t.number, t.number]))),
  }),
  t.partial({ recent: t.union([t.readonlyArray(t.number), t.undefined]) }),
]);

const alert = t.type({ ruleName: t.string, workflowName: t.string, since: t.number });
const record = t.intersection([
  t.type({
    ruleName: t.string,
    workflowName: t.string,
    status: t.union([t.literal('FIRED'), t.literal('CLEARED')]),
    at: t.number,
    figures: t.record(t.string, t.number),
  }),
  t.partial({ limit: t.union([t.number, t.undefined]) }),
]);
const rule = t.type({ ruleName: t.string, workflowName: t.string, cells: t.readonlyArray(t.unknown) });

const monitorState: t.Type<MonitorState> = t.intersection([
  t.type({
    version: t.literal(1),
    workflows: t.readonlyArray(
      t.type({
        workflowName: t.string,
        successes: t.number,
        failures: t.number,
        durations,
        agents: t.readonlyArray(
          t.type({
            agentName: t.string,
            successes: t.number,
            failures: t.number,
            ownDuration: t.number,
            durations,
          }),
        ),
      }),
    ),
    alerts: t.readonlyArray(alert),
  }),
  // Files of older versions have none.
  t.partial({
    rules: t.union([t.readonlyArray(rule), t.undefined]),
    history: t.union([t.readonlyArray(record), t.undefined]),
  }),
]);
