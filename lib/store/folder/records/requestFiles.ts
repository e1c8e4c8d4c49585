import { isLeft } from 'fp-ts/lib/Either';
import { asyncScheduler } from 'rxjs';

import { RunState } from '../../../codec/stateCodec';
import { explain } from '../../../codec/validate';
import {
  checkRunId,
  StorageError,
  StoreCorruptError,
  StoreNotServedError,
} from '../../../errors/storageErrors';
import type { RunEvent } from '../../../model/event';
import { InvalidArgumentError } from '../../../model/failure';
import { realDelay, realTimers } from '../../../streams/realTimers';
import type { Pause } from '../../../streams/yieldOften';
import { ids, madeAt } from '../../ids';
import type { Done, Refusal } from '../../storeRequests';
import { actionOf, refusalOf, refusedError } from '../../storeRequests';
import { EventReader } from '../../events/eventReader';
import type { StoreRequest } from '../../store';
import {
  foreignFile,
  makeSideFolder,
  parseChecked,
  readChecked,
  whoseFile,
  within,
  writeChecked,
} from '../files/checkedFile';
import type { Files } from '../files/files';
import type { Layout } from '../layout';
import type { Holder } from '../lock/lock';
import { holderOf } from '../lock/lock';
import type { Owners } from '../lock/owner';

/*
 * A request is a file, `ID.ask.json`. Whoever serves takes it by giving it another name, `ID.taken.json`: of two who would take it,
 * or take it back, only one can. It becomes `ID.accepted.json` when it will be done and takes a while, and is removed when
 * `ID.reply.json` has been written. `serving.json` says who serves.
 */

/** The folder of a store, as one sees it who asks. */
export interface AskedFolder {
  readonly files: Files;
  readonly owners: Owners;
  readonly layout: Layout;
  readonly pause: Pause;
}

/** How one request ended: as it was told, or because whoever had the folder has left, with nothing done as far as is known. */
export type Asked = Done | { readonly stage: 'gone'; readonly wasAccepted: boolean };

/** How long an owner that says that it serves may take to accept a request, and one that does not to begin to serve. */
const BUSY_MS = 4_000;
const ABSENT_MS = 1_000;
/** Whoever asked has gone long before: a request that is older is not carried out any more. */
const STALE_MS = 30_000;
/** Then what is left of a request is removed. */
const LEFTOVER_MS = 3_600_000;
/** How long an owner that leaves goes on answering. */
const LAST_WORDS_MS = 250;
/** How often the folder is looked at by whoever serves, in milliseconds. */
const LOOK_MS = 100;

/**
 * Asks whoever has the folder. Resolves when it is done, or when the owner has left.
 *
 * @throws StoreNotServedError when the owner does not accept it in time; it is taken back then.
 */
export async function askOwner(
  folder: AskedFolder,
  request: StoreRequest,
  accepted: () => void,
  signal: AbortSignal,
): Promise<Asked> {
  const { files, owners, layout, pause } = folder;
  const owner = holderOf(files, layout.lock);
  if (owner.owner === undefined) return { stage: 'gone', wasAccepted: false };
  await makeSideFolder(files, layout.requests);
  const id = nextId();
  const ask = within(layout.requests, `${id}.ask.json`);
  const fields = [
    ['at', JSON.stringify(asyncScheduler.now())],
    ['request', JSON.stringify(request)],
  ] as const;
  await writeChecked(files, ask, 'request', fields, pause);
  const begun = owners.now();
  for (let round = 0; ; round += 1) {
    if (files.look(ask) === undefined) break;
    const waitedMs = owners.now() - begun;
    const isServing = waitedMs >= ABSENT_MS && (await servingToken(files, layout)) === owner.owner.token;
    const isOver = waitedMs >= (isServing ? BUSY_MS : ABSENT_MS);
    const isGone = round % 10 === 9 && (await hasLeft(folder, owner));
    if ((isOver || isGone || signal.aborted) && files.remove(ask)) {
      if (isGone || signal.aborted) return { stage: 'gone', wasAccepted: false };
      throw new StoreNotServedError(actionOf(request), layout.folder, owner.owner, isServing);
    }
    await owners.sleep(Math.min(50, 5 + round));
  }
  return awaitReply(folder, id, request, owner, accepted);
}

/** By the real clock: what is left over is known by its age. */
const nextId = ids(asyncScheduler);

async function awaitReply(
  folder: AskedFolder,
  id: string,
  request: StoreRequest,
  owner: Holder,
  accepted: () => void,
): Promise<Asked> {
  const { files, owners, layout } = folder;
  const reply = within(layout.requests, `${id}.reply.json`);
  const read = async (): Promise<Done | undefined> => {
    const fields = await readChecked(files, reply, 'reply');
    if (fields === undefined) return undefined;
    files.remove(reply);
    const { refused, done } = fields as { readonly refused?: Refusal; readonly done?: Done };
    if (refused !== undefined) throw refusedError(refused, request);
    return { ...done, stage: 'done' };
  };
  let isAccepted = false;
  for (let round = 0; ; round += 1) {
    const done = await read();
    if (done !== undefined) return done;
    if (!isAccepted && files.look(within(layout.requests, `${id}.accepted.json`)) !== undefined) {
      isAccepted = true;
      accepted();
    }
    if (round % 10 === 9 && (await hasLeft(folder, owner))) {
      for (const name of ['taken', 'accepted']) files.remove(within(layout.requests, `${id}.${name}.json`));
      // It may have replied right before it left.
      return (await read()) ?? { stage: 'gone', wasAccepted: true };
    }
    await owners.sleep(Math.min(50, 5 + round));
  }
}

/** Whether somebody else has the folder now, or nobody. */
async function hasLeft({ files, owners, layout }: AskedFolder, before: Holder): Promise<boolean> {
  const now = holderOf(files, layout.lock);
  if (now.number !== before.number || now.owner === undefined) return true;
  return (await owners.sign(layout.lock, now.owner)) === 'dead';
}

/** The token of the owner that serves, or served last. */
async function servingToken(files: Files, layout: Layout): Promise<string | undefined> {
  try {
    const token = (await readChecked(files, within(layout.requests, 'serving.json'), 'serving'))?.['token'];
    return typeof token === 'string' ? token : undefined;
  } catch (error) {
    if (error instanceof StoreCorruptError) return undefined; // Written anew by whoever serves next.
    throw error;
  }
}

/** Whether the process that has the folder serves its runs. */
export async function isServedByOwner({ files, owners, layout }: AskedFolder): Promise<boolean> {
  const { owner } = holderOf(files, layout.lock);
  if (owner === undefined || (await servingToken(files, layout)) !== owner.token) return false;
  return (await owners.sign(layout.lock, owner)) !== 'dead';
}

/** Does what was asked; calls `accepted` once it will, where that takes a while. */
export type CarryOut = (request: StoreRequest, accepted: () => void) => Promise<Done>;

/** Hears requests of other processes, for as long as somebody serves. */
export class RequestWatch {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #pause: Pause;
  readonly #token: string;
  readonly #carryOut: CarryOut;
  readonly #troubled: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #answers = new Set<Promise<unknown>>();
  /** Requests whose trouble was told, and what is no request of a store: that is left where it is. */
  readonly #told = new Set<string>();
  readonly #foreign = new Set<string>();
  #isTold = false;
  #isSwept = false;

  /** @param token - Of the lock that is held. */
  constructor(
    { files, layout, pause }: Omit<AskedFolder, 'owners'>,
    token: string,
    carryOut: CarryOut,
    troubled: (error: Error) => void,
  ) {
    this.#files = files;
    this.#layout = layout;
    this.#pause = pause;
    this.#token = token;
    this.#carryOut = carryOut;
    this.#troubled = troubled;
  }

  /** Says that somebody serves here, and hears who asks. */
  async open(): Promise<void> {
    const files = this.#files;
    await makeSideFolder(files, this.#layout.requests);
    const token = [['token', JSON.stringify(this.#token)]] as const;
    await writeChecked(files, this.#path('serving.json'), 'serving', token, this.#pause);
    this.#timer = realTimers
      .setInterval(() => {
        this.#look();
      }, LOOK_MS)
      .unref();
    this.#look();
  }

  close(): void {
    if (this.#timer === undefined) return;
    realTimers.clearInterval(this.#timer);
    this.#timer = undefined;
    try {
      this.#files.remove(this.#path('serving.json'));
    } catch {
      // Its token tells that its owner has gone.
    }
  }

  /** What is being answered, for a moment at most: whoever waits in vain asks the next owner. */
  async settled(): Promise<void> {
    if (this.#answers.size > 0) await Promise.race([Promise.all(this.#answers), realDelay(LAST_WORDS_MS)]);
  }

  #look(): void {
    try {
      for (const name of this.#files.list(this.#layout.requests)) {
        const id = /^(.{26})\.ask\.json$/.exec(name)?.[1];
        if (id !== undefined) this.#take(id);
        else if (!this.#isSwept) this.#sweep(name);
      }
      this.#isSwept = true;
      this.#isTold = false;
    } catch (error) {
      if (!this.#isTold) this.#troubled(error as Error);
      this.#isTold = true;
    }
  }

  /** What nobody has fetched. */
  #sweep(name: string): void {
    if (madeAt(name) < asyncScheduler.now() - LEFTOVER_MS) this.#files.remove(this.#path(name));
  }

  #take(id: string): void {
    if (this.#foreign.has(id)) return;
    const answer = this.#taken(id)
      .then((taken) => (taken === undefined ? undefined : this.#answer(id, taken)))
      .catch((error: unknown) => {
        if (!this.#told.has(id)) this.#troubled(error as Error);
        this.#told.add(id);
      })
      .finally(() => this.#answers.delete(answer));
    this.#answers.add(answer);
  }

  /** The request under the name that makes it ours to carry out; undefined when it is not, or not any more. */
  async #taken(id: string): Promise<string | undefined> {
    const ask = this.#path(`${id}.ask.json`);
    const whose = await whoseFile(this.#files, ask, 'request');
    if (whose === 'foreign') {
      this.#foreign.add(id);
      throw foreignFile('carry out', ask, 'request');
    }
    if (whose === undefined || this.#timer === undefined) return undefined;
    const taken = this.#path(`${id}.taken.json`);
    try {
      this.#files.rename(ask, taken);
      return taken;
    } catch (error) {
      if (error instanceof StorageError && error.systemCode === 'ENOENT') return undefined; // It was taken back.
      throw error;
    }
  }

  async #answer(id: string, taken: string): Promise<void> {
    const files = this.#files;
    let name = taken;
    const accepted = (): void => {
      const next = this.#path(`${id}.accepted.json`);
      files.rename(name, next);
      name = next;
    };
    let field: readonly [string, string];
    try {
      const bytes = await files.read(taken);
      if (bytes === undefined) return;
      const { at, request } = parseChecked(taken, 'request', bytes);
      if (!(Number(at) > asyncScheduler.now() - STALE_MS))
        throw new StorageError('carry out', taken, 'it is too old: whoever asked has left');
      field = ['done', JSON.stringify(await this.#carryOut(requestIn(request), accepted))];
    } catch (error) {
      // Cut off by its end: the next owner does it.
      if (this.#timer === undefined && error instanceof StorageError) return;
      field = ['refused', JSON.stringify(refusalOf(error))];
    }
    await writeChecked(files, this.#path(`${id}.reply.json`), 'reply', [field], this.#pause);
    files.remove(name);
  }

  #path(name: string): string {
    return within(this.#layout.requests, name);
  }
}

function eventsIn(events: readonly unknown[], runId: string): readonly RunEvent[] {
  const reader = new EventReader(runId);
  try {
    return events.map((event) => reader.read(event as object, 0));
  } catch (error) {
    throw new InvalidArgumentError(
      `Cannot put in this run: ${(error as Error).message}`,
      'give the events that its store has kept',
    );
  }
}

/** A request as it was read. */
function requestIn(value: unknown): StoreRequest {
  const { kind, runId, more, limits, state, events } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (kind === 'resume' || kind === 'delete') {
    checkRunId(runId);
    return kind === 'delete' && typeof more === 'object' && more !== null
      ? { kind, runId, more }
      : { kind, runId };
  }
  if (kind === 'prune' && typeof limits === 'object' && limits !== null) return { kind, limits };
  if (kind === 'import') {
    const read = RunState.decode(state);
    if (isLeft(read))
      throw new InvalidArgumentError(
        `Cannot put in this run: ${explain(read.left)[0] ?? ''}`,
        'give a state from loadRun() or a snapshot',
      );
    return {
      kind,
      state: read.right,
      ...(Array.isArray(events) && { events: eventsIn(events, read.right.runId) }),
    };
  }
  throw new InvalidArgumentError(
    `Cannot do what was asked: ${String(kind)} is no request of this release`,
    'use the same release in all processes',
  );
}
