import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Json, listOf, Moment } from '../../../codec/plainCodecs';
import { recordCodec } from '../../../codec/recordCodec';
import { GivenBy } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import { StoreCorruptError } from '../../../errors/storageErrors';
import type { Pause } from '../../../streams/yieldOften';
import type { AnswerCache, KeptAnswer } from '../../answerCache';
import {
  makeSideFolder,
  readChecked,
  removeOurs,
  whoseFile,
  within,
  writeChecked,
} from '../files/checkedFile';
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
  {
    output: Json,
    madeBy: t.string,
    givenBy: GivenBy,
    kept: listOf(Json),
    doneBy: t.string,
    expiresAt: Moment,
  },
);

/** How many answers may wait to be written; those beyond are not kept. */
const MOST_WAITING = 1_000;

/**
 * Keeps each answer in a file of its own, and forgets those of a run when it is forgotten. Which run made which is only read
 * when the first one is.
 */
export class CacheFiles implements AnswerCache {
  readonly #files: Files;
  readonly #folder: string;
  readonly #enqueue: Enqueue;
  readonly #pause: Pause;
  /** As text, so that what becomes of the objects later changes nothing. */
  readonly #waiting = new Map<string, Fields>();
  /** The run that made it, by name of the file. */
  #makers: Map<string, string> | undefined;

  constructor(files: Files, folder: string, enqueue: Enqueue, pause: Pause) {
    this.#files = files;
    this.#folder = folder;
    this.#enqueue = enqueue;
    this.#pause = pause;
  }

  get(key: string): KeptAnswer | undefined | Promise<KeptAnswer | undefined> {
    const fields = this.#waiting.get(key);
    if (fields === undefined)
      return readAnswer(this.#files, within(this.#folder, nameOf(key)), key).then(answerOf);
    const filed = Object.fromEntries(fields.map(([name, text]) => [name, JSON.parse(text) as unknown]));
    return answerOf(filed as unknown as FiledAnswer);
  }

  async set(key: string, { madeBy, ...answer }: KeptAnswer): Promise<void> {
    // What no run has made is a mark that something was undone: without it a released booking would be handed out.
    if (this.#waiting.size >= MOST_WAITING && madeBy !== undefined) return;
    // Who made it comes early: then it is found without the answer.
    const filed = Object.entries({ key, madeBy, ...answer }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, JSON.stringify(value)] as const],
    );
    this.#waiting.set(key, filed);
    try {
      await this.#enqueue(() => this.#write(key, filed));
      if (madeBy !== undefined) this.#makers?.set(nameOf(key), madeBy);
    } finally {
      if (this.#waiting.get(key) === filed) this.#waiting.delete(key);
    }
  }

  /** Removes the answers that these runs have made. To be called where nothing else is written. */
  async forget(runIds: ReadonlySet<string>): Promise<void> {
    if (runIds.size === 0 || this.#files.look(this.#folder)?.kind !== 'folder') return;
    this.#makers ??= await this.#readMakers();
    let isAnyGone = false;
    for (const [name, runId] of [...this.#makers]) {
      if (!runIds.has(runId)) continue;
      isAnyGone = (await removeOurs(this.#files, within(this.#folder, name), 'answer', false)) || isAnyGone;
      this.#makers.delete(name);
    }
    if (isAnyGone) await this.#files.syncFolder(this.#folder);
  }

  async #write(key: string, fields: Fields): Promise<void> {
    await makeSideFolder(this.#files, this.#folder);
    await writeChecked(this.#files, within(this.#folder, nameOf(key)), 'answer', fields, this.#pause);
  }

  async #readMakers(): Promise<Map<string, string>> {
    const makers = new Map<string, string>();
    for (const name of this.#files.list(this.#folder)) {
      const path = within(this.#folder, name);
      if (!name.endsWith('.json') || this.#files.look(path)?.kind !== 'file') continue;
      const head = await this.#files.read(path, HEAD_BYTES);
      const [, madeBy] =
        /^\{\n"format": \d+,\n"kind": "answer",\n"key": "[^"]*",\n"madeBy": ("(?:[^"\\]|\\.)*")/.exec(
          head?.toString() ?? '',
        ) ?? [''];
      if (madeBy !== undefined) makers.set(name, JSON.parse(madeBy) as string);
      const rest = this.#pause();
      if (rest !== undefined) await rest;
    }
    return makers;
  }
}

/** Where the head of a file says who made it: an id has at most 200 characters. */
const HEAD_BYTES = 2_048;

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

function nameOf(key: string): string {
  return `${fileName(key)}.json`;
}
