import { readFile } from 'node:fs/promises';

import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';
import type writeFileAtomic from 'write-file-atomic';

import { MillraceError, toFailure } from '../model/failure';
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

/**
 * Keeps metrics in one JSON file, replaced as a whole so that a crash leaves the former one.
 *
 * @throws MetricsFileError from `load` when the file is not what `save` wrote.
 */
export function metricsFile(file: string): MetricsStore {
  return {
    async load() {
      const text = await textOf(file);
      return text === undefined ? undefined : stateOf(file, text);
    },
    async save(state) {
      // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded when first used
      const write = require('write-file-atomic') as typeof writeFileAtomic;
      await write(file, `${JSON.stringify(state)}\n`, { mode: 0o600 });
    },
  };
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
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

const durations = t.type({
  count: t.number,
  mean: t.number,
  m2: t.number,
  min: t.number,
  max: t.number,
  total: t.number,
  sketch: t.readonlyArray(t.readonly(t.tuple([t.number, t.number]))),
});

const monitorState: t.Type<MonitorState> = t.type({
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
  alerts: t.readonlyArray(t.type({ ruleName: t.string, workflowName: t.string, since: t.number })),
});
