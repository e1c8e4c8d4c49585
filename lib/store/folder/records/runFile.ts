import { isLeft } from 'fp-ts/lib/Either';

import { RunState } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { RunState as RunStateRecord } from '../../../model/state';
import type { Pause } from '../../../streams/yieldOften';
import { readChecked, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { lowDatabase } from '../files/lowdbFile';

/** What stands in the file of a run. */
export interface RunFile {
  /** Number of the record of the journal up to which it holds what happened. */
  readonly upTo: number;
  readonly state: RunStateRecord;
}

/** Writes how a run stands, one step a line, through lowdb. */
export async function writeRunFile(
  files: Files,
  path: string,
  run: RunFile,
  pause: Pause,
  syncFolder?: () => Promise<void>,
): Promise<void> {
  const write = (data: RunFile | null) =>
    data === null
      ? Promise.resolve()
      : writeChecked(
          files,
          path,
          'run',
          [
            ['upTo', String(data.upTo)],
            ['state', stateText(data.state)],
          ],
          pause,
          syncFolder,
        );
  await lowDatabase<RunFile | null>({ write }, run).write();
}

/**
 * Reads how a run stands, through lowdb; undefined when there is no file.
 *
 * @throws StoreCorruptError when the file is not as written, or is the file of another run.
 */
export async function readRunFile(files: Files, path: string, runId: string): Promise<RunFile | undefined> {
  const read = async (): Promise<RunFile | null> => {
    const fields = await readChecked(files, path, 'run');
    return fields === undefined ? null : decode(path, runId, fields);
  };
  const database = lowDatabase<RunFile | null>({ read }, null);
  await database.read();
  return database.data ?? undefined;
}

function decode(path: string, runId: string, fields: Readonly<Record<string, unknown>>): RunFile {
  const { upTo } = fields;
  const state = RunState.decode(fields['state']);
  if (isLeft(state))
    throw new StoreCorruptError(path, 0, explain(state.left)[0] ?? 'it holds no state of a run');
  if (typeof upTo !== 'number' || !Number.isSafeInteger(upTo))
    throw new StoreCorruptError(path, 0, 'upTo is no number');
  if (state.right.runId !== runId) throw new StoreCorruptError(path, 0, 'it holds another run');
  return { upTo, state: state.right };
}

/** The state as JSON text in pieces. */
export function* stateText(state: RunStateRecord): Generator<string> {
  const { steps, plan, ...rest } = state;
  let separator = '{\n';
  for (const [name, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    yield `${separator}${JSON.stringify(name)}: ${JSON.stringify(value)}`;
    separator = ',\n';
  }
  yield* list('plan', plan);
  yield* list('steps', steps);
  yield '\n}';
}

function* list(name: string, items: Iterable<unknown>): Generator<string> {
  let separator = `,\n${JSON.stringify(name)}: [\n`;
  let isEmpty = true;
  for (const item of items) {
    yield `${separator}${JSON.stringify(item)}`;
    separator = ',\n';
    isEmpty = false;
  }
  yield isEmpty ? `,\n${JSON.stringify(name)}: []` : '\n]';
}
