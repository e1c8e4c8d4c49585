import { Answer, Cancel, messageFault } from '../../../codec/runMessageCodec';
import {
  StorageError,
  StoreCorruptError,
  StoreFormatError,
  storageErrorOf,
} from '../../../errors/storageErrors';
import type { AnswerMessage, RunMessage } from '../../../model/message';
import { realTimers } from '../../../streams/realTimers';
import type { Pause } from '../../../streams/yieldOften';
import { signalIn } from '../../signalAnswer';
import type { KeptSignal } from '../../signalRest';
import type { Attendance, Attendant, ReceivedMessage } from '../../store';
import { makeSideFolder, parseChecked, removeOurs, within, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import { fileName } from '../layout';

/** Leaves a message as a file of its own, and returns its name; needs no lock, because no two have the same. */
export async function postMessage(
  files: Files,
  inbox: string,
  messageId: string,
  runId: string,
  message: RunMessage,
  pause: Pause,
): Promise<string> {
  await makeSideFolder(files, inbox);
  const fields = [['runId', JSON.stringify(runId)] as const, ['message', JSON.stringify(message)] as const];
  const name = nameOf(runId, messageId);
  await writeChecked(files, within(inbox, name), 'message', fields, pause);
  return name;
}

function read(path: string, runId: string, bytes: Buffer): RunMessage {
  const fields = parseChecked(path, 'message', bytes);
  const { message } = fields;
  if (fields['runId'] !== runId) throw new StoreCorruptError(path, 0, 'it is a message for another run');
  if (Answer.is(message)) return message;
  if (Cancel.is(message)) return message;
  throw new StoreCorruptError(path, 0, messageFault(message));
}

function nameOf(runId: string, messageId: string): string {
  return `${prefixOf(runId)}${messageId}.json`;
}

function prefixOf(runId: string): string {
  return `${fileName(runId)}~`;
}

/** What the name of the file of a message begins with. */
function prefixIn(name: string): string {
  return name.slice(0, name.lastIndexOf('~') + 1);
}

/** A signal that a step of a run was given. */
export interface GivenSignal {
  readonly runId: string;
  readonly path: string;
  readonly signal: KeptSignal;
}

/** Puts back a signal that a run was given and has not taken, from the message of this name; calls `done` then. */
export type PutBack = (given: GivenSignal, name: string, done: () => Promise<unknown>) => Promise<void>;

/**
 * Removes the signals that these runs have taken, and that could not be removed then. To be called while the runs are there: afterwards
 * nobody knows. Returns for which of them that was not possible, and why.
 */
export async function forgetTaken(
  files: Files,
  inbox: string,
  runIds: readonly string[],
  isTaken: (given: GivenSignal) => Promise<boolean>,
): Promise<ReadonlyMap<string, unknown>> {
  const errors = new Map<string, unknown>();
  if (files.look(inbox)?.kind !== 'folder') return errors;
  const byPrefix = new Map(runIds.map((runId) => [prefixOf(runId), runId]));
  for (const name of files.list(inbox)) {
    const runId = byPrefix.get(prefixIn(name));
    if (!name.endsWith('.json') || runId === undefined) continue;
    try {
      const path = within(inbox, name);
      const given = await signalAt(files, path);
      if (given !== undefined && (await isTaken(given))) await removeOurs(files, path, 'message');
    } catch (error) {
      errors.set(runId, error);
    }
  }
  return errors;
}

/** Forgets what waits for these runs; signals that they were given are there for others again. */
export async function forgetMessages(
  files: Files,
  inbox: string,
  runIds: readonly string[],
  putBack: PutBack,
): Promise<void> {
  await forgetWhere(files, inbox, isFor(runIds), putBack);
}

function isFor(runIds: readonly string[]): (name: string) => boolean {
  const prefixes = new Set(runIds.map(prefixOf));
  return (name) => prefixes.has(prefixIn(name));
}

/**
 * Forgets what nobody will ever hear; signals are there for others again. What cannot be read stays, for inspection.
 *
 * @param canHear - Whether a run is there and has not completed.
 */
export async function forgetUnheard(
  files: Files,
  inbox: string,
  canHear: (runId: string) => boolean,
  putBack: PutBack,
): Promise<void> {
  const isPast = (name: string) => isUnheard(files, within(inbox, name), name, canHear);
  await forgetWhere(files, inbox, isPast, putBack);
}

/** What waits for a run, the oldest first, for whoever only looks. What cannot be read is left out. */
export async function waitingMessages(
  files: Files,
  inbox: string,
  runId: string,
): Promise<readonly RunMessage[]> {
  const found: RunMessage[] = [];
  if (files.look(inbox)?.kind !== 'folder') return found;
  const isMeant = isFor([runId]);
  for (const name of files.list(inbox).toSorted()) {
    if (!name.endsWith('.json') || !isMeant(name)) continue;
    const path = within(inbox, name);
    try {
      // One that is taken meanwhile is gone.
      const bytes = await files.read(path);
      if (bytes !== undefined) found.push(read(path, runId, bytes));
    } catch (error) {
      if (!(error instanceof StoreCorruptError || error instanceof StoreFormatError)) throw error;
    }
  }
  return found;
}

/** The files of messages that nobody will ever hear. */
export async function unheardMessages(
  files: Files,
  inbox: string,
  canHear: (runId: string) => boolean,
): Promise<readonly string[]> {
  const found: string[] = [];
  if (files.look(inbox)?.kind !== 'folder') return found;
  for (const name of files.list(inbox)) {
    const path = within(inbox, name);
    if (name.endsWith('.json') && (await isUnheard(files, path, name, canHear))) found.push(path);
  }
  return found;
}

async function isUnheard(
  files: Files,
  path: string,
  name: string,
  canHear: (runId: string) => boolean,
): Promise<boolean> {
  const bytes = await files.read(path);
  const runId = bytes && runIdIn(path, bytes);
  return runId !== undefined && name.startsWith(prefixOf(runId)) && !canHear(runId);
}

async function forgetWhere(
  files: Files,
  inbox: string,
  isPast: (name: string) => boolean | Promise<boolean>,
  putBack: PutBack,
): Promise<void> {
  try {
    if (files.look(inbox)?.kind !== 'folder') return;
    for (const name of files.list(inbox)) {
      if (!name.endsWith('.json') || !(await isPast(name))) continue;
      const path = within(inbox, name);
      const remove = () => removeOurs(files, path, 'message', false);
      const given = await signalAt(files, path);
      if (given === undefined) await remove();
      // A life that has just ended may have put it back meanwhile.
      else if (files.look(path) !== undefined) await putBack(given, name, remove);
    }
  } catch (error) {
    throw storageErrorOf(error, 'empty', inbox);
  }
}

/** The signal that the message there was made of; undefined for any other, and for what cannot be read. */
async function signalAt(files: Files, path: string): Promise<GivenSignal | undefined> {
  const bytes = await files.read(path);
  try {
    const { runId, message } = (bytes && parseChecked(path, 'message', bytes)) ?? {};
    const signal = Answer.is(message) ? signalIn(message) : undefined;
    if (signal === undefined || typeof runId !== 'string') return undefined;
    return { runId, path: (message as AnswerMessage).path, signal };
  } catch (error) {
    if (error instanceof StoreCorruptError || error instanceof StoreFormatError) return undefined;
    throw error;
  }
}

function runIdIn(path: string, bytes: Buffer): string | undefined {
  try {
    const { runId } = parseChecked(path, 'message', bytes);
    return typeof runId === 'string' ? runId : undefined;
  } catch (error) {
    if (error instanceof StoreCorruptError || error instanceof StoreFormatError) return undefined;
    throw error;
  }
}

/** Whether somebody may post here: a store has been made. */
export function checkStore(files: Files, history: string): boolean {
  return files.look(history)?.kind === 'file';
}

/** How often the inbox is looked at, in milliseconds. */
const LOOK_MS = 250;
/** For so long after a change names may come without a new time stamp: file systems count as coarsely as two seconds. */
const COARSEST_STAMP_MS = 2_500;
/** For so long a listing counts as new for those who ask in the same turn. */
const SAME_LOOK_MS = 20;

/** For so long messages are opened before others have their turn. */
const SLICE_MS = 5;

type Listener = (message: ReceivedMessage) => void;

/** Who serves the runs of the store. */
interface Server {
  readonly attendant: Pick<Attendant, 'posted' | 'troubled'>;
  /** Names it has been told of, or whose run hears them by itself. */
  known: Set<string>;
  /** Names that it is still to be told of. */
  untold: (readonly [prefix: string, name: string])[];
  isTold: boolean;
}

/** A run that hears its messages. */
interface Hearer {
  readonly runId: string;
  readonly listener: Listener;
  readonly known: Set<string>;
  isTold: boolean;
}

/**
 * Tells the runs of this process the messages that are left for them as files.
 *
 * The folder is listed once for all runs, and only when it has changed; a message costs what is new. It is looked at again and
 * again, because what tells of changed files is not reliable everywhere; that does not keep the process alive.
 *
 * Trouble with the folder is told to each run that listens, once, and the next look tries again.
 */
export class InboxWatch {
  readonly #files: Files;
  readonly #inbox: string;
  readonly #hearers = new Map<string, Set<Hearer>>();
  readonly #servers = new Set<Server>();
  /** The names that were there at the latest listing, by what they begin with. */
  #names = new Map<string, string[]>();
  /** What is being written, and is not to be heard yet. */
  readonly #held = new Set<string>();
  /** Done with, and still there: they could not be removed. */
  readonly #leftovers = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #stamp: string | undefined;
  #stampSeenAt = -Infinity;
  #listedAt = -Infinity;
  #lookedAt = -Infinity;
  #isListedInTurn = false;
  /** Since the latest look something was listed that not all have been told. */
  #isUntold = false;

  constructor(files: Files, inbox: string) {
    this.#files = files;
    this.#inbox = inbox;
  }

  /** Tells what waits at once, and what comes later within a quarter of a second. Returns how to stop. */
  listen(runId: string, listener: Listener): () => void {
    const prefix = prefixOf(runId);
    const hearer: Hearer = { runId, listener, known: new Set(), isTold: false };
    const hearers = this.#hearers.get(prefix) ?? new Set();
    this.#hearers.set(prefix, hearers.add(hearer));
    this.#timer ??= this.#start();
    this.#guarded([hearer], () => {
      this.#list();
    });
    this.#tell(prefix, hearer);
    return () => {
      hearers.delete(hearer);
      // The next look rests: runs come one after another, and would make a timer each.
      if (hearers.size === 0 && this.#hearers.get(prefix) === hearers) this.#hearers.delete(prefix);
    };
  }

  /** Tells of runs for which something waits, also later, until they leave. */
  attend(attendant: Pick<Attendant, 'posted' | 'troubled'>): Pick<Attendance, 'messages' | 'leave'> {
    const server: Server = { attendant, known: new Set(), untold: [], isTold: false };
    this.#servers.add(server);
    this.#timer ??= this.#start();
    this.#guardedList();
    this.#tellServer(server);
    return {
      messages: (runId) => {
        this.#guardedList();
        const names = (this.#names.get(prefixOf(runId)) ?? []).filter((name) => !this.#isSilent(name));
        return this.#peek(names.sort(), runId);
      },
      leave: () => {
        this.#servers.delete(server);
        this.#rest();
      },
    };
  }

  /** Looks for new messages now. */
  look(): void {
    this.#removeLeftovers();
    if (this.#hearers.size === 0 && this.#servers.size === 0) {
      this.#rest();
      return;
    }
    this.#guardedList();
    if (!this.#isUntold) return;
    this.#isUntold = false;
    for (const server of this.#servers) this.#tellServer(server);
    for (const [prefix, hearers] of [...this.#hearers]) {
      if (this.#names.has(prefix)) for (const hearer of [...hearers]) this.#tell(prefix, hearer);
    }
  }

  /** Whether the message of this name is done with, and could not be removed. */
  isLeft(name: string): boolean {
    return this.#leftovers.has(name);
  }

  /** Tells nobody of a message that is about to be written, until it is let go. Returns its name. */
  hold(runId: string, messageId: string): string {
    const name = nameOf(runId, messageId);
    this.#held.add(name);
    // What could not be removed under this name is replaced: it must not take the new one with it.
    this.#leftovers.delete(name);
    return name;
  }

  /** What was written under this name may be heard, also by those who have heard another one of this name before. */
  letGo(name: string): void {
    this.#held.delete(name);
    this.#stamp = undefined; // The latest listing does not have it.
    for (const { known } of this.#servers) known.delete(name);
    for (const { known } of this.#hearers.get(prefixIn(name)) ?? []) known.delete(name);
  }

  /** Nobody hears what was written under this name; it is removed, now or later. */
  withdraw(name: string): void {
    this.#remove(name);
  }

  /** Tells a message that this store has just written under this name. */
  posted(name: string): void {
    // The latest listing does not have it.
    this.#isListedInTurn = false;
    const prefix = prefixIn(name);
    for (const server of this.#servers) this.#tellServerOf(server, prefix, name);
    for (const hearer of [...(this.#hearers.get(prefix) ?? [])]) this.#hear(name, hearer);
  }

  close(): void {
    this.#hearers.clear();
    this.#servers.clear();
    this.#removeLeftovers();
    this.#leftovers.clear();
    this.#rest();
  }

  #start(): NodeJS.Timeout {
    const timer = realTimers.setInterval(() => {
      this.look();
    }, LOOK_MS);
    return timer.unref();
  }

  #rest(): void {
    if (this.#hearers.size + this.#servers.size + this.#leftovers.size > 0) return;
    realTimers.clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Lists the folder if it may have changed. */
  #list(): void {
    const now = performance.now();
    if (this.#isListedInTurn && now - this.#lookedAt < SAME_LOOK_MS) return;
    const found = this.#files.look(this.#inbox);
    const stamp = found && `${found.kind} ${found.id} ${String(found.stamp)}`;
    if (stamp === this.#stamp) {
      if (this.#listedAt - this.#stampSeenAt > COARSEST_STAMP_MS) {
        this.#lookedInTurn(now);
        return;
      }
    } else {
      this.#stamp = stamp;
      this.#stampSeenAt = now;
    }
    const names = new Map<string, string[]>();
    if (found !== undefined) {
      try {
        for (const name of this.#files.list(this.#inbox)) {
          if (!name.endsWith('.json') || this.#held.has(name)) continue;
          const prefix = prefixIn(name);
          const known = names.get(prefix);
          if (known === undefined) names.set(prefix, [name]);
          else known.push(name);
        }
      } catch (error) {
        this.#stamp = undefined;
        throw error;
      }
    }
    this.#names = names;
    this.#listedAt = now;
    this.#isUntold = true;
    this.#lookedInTurn(now);
  }

  #lookedInTurn(now: number): void {
    this.#lookedAt = now;
    if (this.#isListedInTurn) return;
    this.#isListedInTurn = true;
    realTimers.setImmediate(() => (this.#isListedInTurn = false));
  }

  #guardedList(): void {
    this.#guarded(
      [...this.#hearers.values()].flatMap((hearers) => [...hearers]),
      () => {
        this.#list();
      },
    );
  }

  #tellServer(server: Server): void {
    const before = server.known;
    server.known = new Set();
    const isIdle = server.untold.length === 0;
    server.untold = [];
    for (const [prefix, names] of this.#names) {
      for (const name of names) {
        if (before.has(name)) server.known.add(name);
        else server.untold.push([prefix, name]);
      }
    }
    server.untold.reverse();
    if (isIdle) this.#tellUntold(server);
  }

  /** Thousands may have come since the latest look, and each has to be opened: not all of them in one turn. */
  #tellUntold(server: Server): void {
    const until = performance.now() + SLICE_MS;
    do {
      const next = server.untold.pop();
      if (next === undefined || !this.#servers.has(server)) return;
      this.#tellServerOf(server, ...next);
    } while (performance.now() < until);
    realTimers.setImmediate(() => {
      this.#tellUntold(server);
    });
  }

  /** A run that is carried on hears for itself; when it comes to rest, whoever serves it looks what is left. */
  #tellServerOf(server: Server, prefix: string, name: string): void {
    if (server.known.has(name)) return;
    server.known.add(name);
    if (this.#hearers.has(prefix) || this.#isSilent(name)) return;
    try {
      const path = within(this.#inbox, name);
      const bytes = this.#files.readNow(path);
      const runId = bytes && runIdIn(path, bytes);
      if (runId === undefined || prefix !== prefixOf(runId)) return;
      queueMicrotask(() => {
        if (this.#servers.has(server)) server.attendant.posted(runId);
      });
    } catch (error) {
      server.known.delete(name); // Read again at the next look.
      this.#isUntold = true;
      this.#warnServer(server, error as Error);
    }
  }

  /** The latest listing may be older than what was written anew under a name that it has. */
  #isSilent(name: string): boolean {
    return this.#leftovers.has(name) || this.#held.has(name);
  }

  /** Each is opened when it is asked for. */
  *#peek(names: readonly string[], runId: string): Generator<RunMessage, void> {
    for (const name of names) {
      const path = within(this.#inbox, name);
      let message: RunMessage | undefined;
      try {
        const bytes = this.#files.readNow(path);
        message = bytes && read(path, runId, bytes);
      } catch {
        continue; // The run is told of it when it listens.
      }
      if (message !== undefined) yield message;
    }
  }

  #warnServer(server: Server, error: Error): void {
    if (server.isTold) return;
    server.isTold = true;
    server.attendant.troubled(error);
  }

  /** What the latest listing has for a run, oldest first. */
  #tell(prefix: string, hearer: Hearer): void {
    const names = (this.#names.get(prefix) ?? []).filter((name) => !hearer.known.has(name)).sort();
    for (const name of names) this.#hear(name, hearer);
  }

  #hear(name: string, hearer: Hearer): void {
    const { runId, listener, known } = hearer;
    if (known.has(name) || this.#isSilent(name)) return;
    if (this.#hearers.get(prefixOf(runId))?.has(hearer) !== true) return;
    const path = within(this.#inbox, name);
    let message: ReceivedMessage | undefined;
    try {
      message = this.#read(path, name, runId);
    } catch (error) {
      if (error instanceof StorageError) {
        this.#stamp = undefined; // Listed and read again at the next look.
        this.#warn(hearer, error);
        return;
      }
      message = { kind: 'damaged', error: error as Error, done: () => undefined };
    }
    known.add(name);
    if (message !== undefined) listener(message);
  }

  #read(path: string, name: string, runId: string): ReceivedMessage | undefined {
    const bytes = this.#files.readNow(path);
    if (bytes === undefined) return undefined;
    return {
      ...read(path, runId, bytes),
      done: () => {
        this.#remove(name);
      },
    };
  }

  /** Whoever has used a message must not fail because its file cannot be removed now. */
  #remove(name: string): void {
    const path = within(this.#inbox, name);
    try {
      this.#files.remove(path);
      this.#leftovers.delete(name);
    } catch (error) {
      if (!this.#leftovers.has(name))
        process.emitWarning(
          `${(error as Error).message}; nobody hears the message any more, and its file is removed later`,
          'MillraceWarning',
        );
      this.#leftovers.add(name);
      this.#timer ??= this.#start();
    }
  }

  #removeLeftovers(): void {
    for (const name of [...this.#leftovers]) this.#remove(name);
  }

  /** Does what may meet trouble with the folder; that is told to these, once. */
  #guarded(hearers: readonly Hearer[], act: () => void): void {
    try {
      act();
      for (const one of [...hearers, ...this.#servers]) one.isTold = false;
    } catch (error) {
      for (const server of this.#servers) this.#warnServer(server, error as Error);
      for (const hearer of hearers) this.#warn(hearer, error as Error);
    }
  }

  #warn(hearer: Hearer, error: Error): void {
    if (hearer.isTold) return;
    hearer.isTold = true;
    hearer.listener({ kind: 'damaged', error, done: () => undefined });
  }
}
