import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Json, listOf, Moment } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import { GivenBy } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { AnswerCache, KeptAnswer } from '../../answerCache';
import { makeSideFolder, readChecked, whoseFile, within, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { fileName } from '../layout';

/** Does something one after another with everything else that is written. */
type Enqueue = <T>(job: () => Promise<T>) => Promise<T>;

interface FiledAnswer extends KeptAnswer {
  readonly key: string;
}

const Answer: t.Type<FiledAnswer> = recordCodec<FiledAnswer>(
  'Answer',
  { key: t.string },
  { output: Json, givenBy: GivenBy, kept: listOf(Json), doneBy: t.string, expiresAt: Moment },
);

/** How many answers may wait to be written; those beyond are not kept. */
const MOST_WAITING = 1_000;

/** Keeps each answer in a file of its own. */
export function cacheFiles(files: Files, folder: string, enqueue: Enqueue, pause: Pause): AnswerCache {
  // As text, so that what becomes of the objects later changes nothing.
  const waiting = new Map<string, Fields>();
  const write = async (key: string, fields: Fields): Promise<void> => {
    await makeSideFolder(files, folder);
    await writeChecked(files, pathOf(folder, key), 'answer', fields, pause);
  };
  return {
    get(key) {
      const fields = waiting.get(key);
      if (fields === undefined) return readAnswer(files, pathOf(folder, key), key).then(answerOf);
      const filed = Object.fromEntries(fields.map(([name, text]) => [name, JSON.parse(text) as unknown]));
      return answerOf(filed as unknown as FiledAnswer);
    },
    async set(key, answer) {
      if (waiting.size >= MOST_WAITING) return;
      const filed = Object.entries({ key, ...answer }).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, JSON.stringify(value)] as const],
      );
      waiting.set(key, filed);
      try {
        await enqueue(() => write(key, filed));
      } finally {
        if (waiting.get(key) === filed) waiting.delete(key);
      }
    },
  };
}

type Fields = readonly (readonly [name: string, text: string])[];

/** The answer without what its file says besides. */
function answerOf(filed: KeptAnswer | undefined): KeptAnswer | undefined {
  if (filed === undefined) return undefined;
  const { output, givenBy, kept, doneBy, expiresAt } = filed;
  return {
    output,
    ...(givenBy !== undefined && { givenBy }),
    ...(kept !== undefined && { kept }),
    ...(doneBy !== undefined && { doneBy }),
    ...(expiresAt !== undefined && { expiresAt }),
  };
}

/** Removes the answers that are too old, or cannot be read; what no store has written stays. */
export async function dropOldAnswers(files: Files, folder: string, now: number, pause: Pause): Promise<void> {
  for (const name of files.list(folder)) {
    if (!name.endsWith('.json')) continue;
    const path = within(folder, name);
    if ((await whoseFile(files, path, 'answer')) === 'ours' && (await isTooOld(files, path, now)))
      files.remove(path);
    const rest = pause();
    if (rest !== undefined) await rest;
  }
}

async function isTooOld(files: Files, path: string, now: number): Promise<boolean> {
  try {
    const answer = await readAnswer(files, path);
    return answer !== undefined && (answer.expiresAt ?? Infinity) <= now;
  } catch (error) {
    if (error instanceof StoreCorruptError) return true;
    throw error;
  }
}

/** @throws StoreCorruptError */
async function readAnswer(files: Files, path: string, key?: string): Promise<FiledAnswer | undefined> {
  const fields = await readChecked(files, path, 'answer');
  if (fields === undefined) return undefined;
  const answer = Answer.decode(fields);
  if (isLeft(answer)) throw new StoreCorruptError(path, 0, explain(answer.left).join('; '));
  if (key !== undefined && answer.right.key !== key)
    throw new StoreCorruptError(path, 0, 'it holds another answer');
  return answer.right;
}

function pathOf(folder: string, key: string): string {
  return within(folder, `${fileName(key)}.json`);
}
