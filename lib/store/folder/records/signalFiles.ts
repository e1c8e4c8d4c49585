import { StoreCorruptError } from '../../../errors/storageErrors';
import { jsonValue } from '../../../codec/jsonValue';
import type { AnswerMessage } from '../../../model/message';
import { realTimers } from '../../../streams/realTimers';
import type { Pause } from '../../../streams/yieldOften';
import type { KeptSignal, NewSignal, SignalBox, SignalRest } from '../../signalRest';
import { makeSideFolder, orTold, parseChecked, removeOurs, within, writeChecked } from '../files/checkedFile';
import type { Files } from '../files/files';
import type { Layout } from '../layout';
import { fileName } from '../layout';

/** Where signals lie: a file each, `<name>~<id>.json`. */
export interface SignalFolder {
  readonly files: Files;
  readonly layout: Layout;
  readonly pause: Pause;
}

/** Signals that are kept as files. Needs no lock: no two have the same name. */
export class FolderSignals implements SignalRest {
  readonly #folder: SignalFolder;
  readonly #nextId: () => string;
  readonly #added: () => void;

  /** @param added - Called when a signal has been added. */
  constructor(folder: SignalFolder, nextId: () => string, added: () => void) {
    this.#folder = folder;
    this.#nextId = nextId;
    this.#added = added;
  }

  async add(given: NewSignal): Promise<KeptSignal> {
    const { files, layout, pause } = this.#folder;
    const signal = { ...(jsonValue(given, '') as NewSignal), signalId: given.signalId ?? this.#nextId() };
    await makeSideFolder(files, layout.signals);
    const path = within(layout.signals, nameOf(signal));
    await writeChecked(files, path, 'signal', [['signal', JSON.stringify(signal)]], pause);
    this.#added();
    for (const other of await this.list())
      if ((other.until ?? Infinity) <= signal.at) await this.#forget(other);
    return signal;
  }

  async list(name?: string): Promise<readonly KeptSignal[]> {
    const { files, layout, pause } = this.#folder;
    const signals: KeptSignal[] = [];
    for (const file of namesIn(this.#folder)) {
      if (name !== undefined && !file.startsWith(prefixOf(name))) continue;
      const path = within(layout.signals, file);
      const signal = await orTold(files, async () => {
        const bytes = await files.read(path);
        return bytes && readSignal(path, bytes);
      });
      if (signal !== undefined) signals.push(signal);
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    // Names that are spelled alike in file names differ here.
    return signals.filter((signal) => (name ?? signal.name) === signal.name).sort(byAge);
  }

  async remove(signalId: string): Promise<boolean> {
    const file = namesIn(this.#folder).find((name) => idIn(name) === signalId);
    if (file === undefined) return false;
    return removeOurs(this.#folder.files, within(this.#folder.layout.signals, file), 'signal');
  }

  async #forget(signal: KeptSignal): Promise<void> {
    const { files, layout } = this.#folder;
    await removeOurs(files, within(layout.signals, nameOf(signal)), 'signal', false);
  }
}

/** Where answers to the questions of runs lie. */
interface Inbox {
  /** Lets nobody hear the one of this id until it is let go; returns its name. */
  hold(runId: string, id: string): string;
  write(runId: string, answer: AnswerMessage, id: string): Promise<unknown>;
  letGo(name: string): void;
  /** Lets nobody hear one of this name any more, and removes it, later where that is not possible now. */
  withdraw(name: string): void;
  /** Tells one of this name to the run. */
  posted(name: string): void;
  /** Whether a run goes on when it hears something. */
  canHear(runId: string): boolean;
  /** Does something while no run is forgotten. */
  inTurn<T>(job: () => Promise<T>): Promise<T>;
}

/** How often the folder is looked at, in milliseconds. */
const LOOK_MS = 250;

interface Hearer {
  readonly name: string | undefined;
  readonly listener: (signal: KeptSignal) => void;
  /** The ids it has been told. */
  readonly told: Set<string>;
}

/**
 * Tells signals to those who carry out the runs of this process, and hands them over to runs.
 *
 * A signal is handed over by writing an answer under its id into the inbox of the run, and removing its file then. Whoever opens the
 * folder after a crash in between finds that answer, and removes the file before anything else may take it or use the answer.
 */
export class SignalWatch implements SignalBox {
  readonly #folder: SignalFolder;
  readonly #rest: SignalRest;
  readonly #inbox: Inbox;
  readonly #hearers = new Set<Hearer>();
  readonly #signals = new Map<string, KeptSignal>();
  /** What is being handed over, or has been and cannot be removed now. */
  readonly #given = new Set<string>();
  /** What was not used. As long as an answer is there that was made of it, which may be heard after a crash, nobody else gets it. */
  readonly #left = new Set<string>();
  /** What is being put back. */
  readonly #returning = new Map<string, Promise<void>>();
  readonly #damaged = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: SignalFolder, inbox: Inbox) {
    this.#folder = folder;
    // What is put back has its name already.
    this.#rest = new FolderSignals(
      folder,
      () => '',
      () => undefined,
    );
    this.#inbox = inbox;
  }

  hear(name: string | undefined, listener: (signal: KeptSignal) => void): () => void {
    const hearer: Hearer = { name, listener, told: new Set() };
    this.#hearers.add(hearer);
    this.#timer ??= realTimers
      .setInterval(() => {
        this.look();
      }, LOOK_MS)
      .unref();
    this.#list();
    this.#tell(hearer);
    return () => {
      this.#hearers.delete(hearer);
      if (this.#hearers.size === 0) this.close();
    };
  }

  /** Looks for new signals now. */
  look(): void {
    if (this.#hearers.size === 0) return;
    this.#list();
    for (const hearer of [...this.#hearers]) this.#tell(hearer);
  }

  async give(signal: KeptSignal, runId: string, answer: AnswerMessage): Promise<boolean> {
    const { signalId } = signal;
    if (this.#isGiven(signalId) || this.#signals.get(signalId) === undefined) return false;
    this.#given.add(signalId);
    let isGiven = false;
    try {
      isGiven = await this.#inbox.inTurn(() => this.#handOver(signal, runId, answer));
    } finally {
      if (isGiven) this.#signals.delete(signalId);
      else this.#given.delete(signalId);
    }
    return isGiven;
  }

  #isGiven(signalId: string): boolean {
    return this.#given.has(signalId) || this.#left.has(signalId);
  }

  async #handOver(signal: KeptSignal, runId: string, answer: AnswerMessage): Promise<boolean> {
    const { files, layout } = this.#folder;
    const path = within(layout.signals, nameOf(signal));
    // Somebody may have taken it back.
    if (files.look(path) === undefined || !this.#inbox.canHear(runId)) return false;
    const posted = this.#inbox.hold(runId, signal.signalId);
    let isGiven = false;
    try {
      await this.#inbox.write(runId, answer, signal.signalId);
      // Before anybody hears of the answer, and for good: the answer may be used and gone before the power is.
      if (this.#inbox.canHear(runId)) isGiven = await removeOurs(files, path, 'signal', false);
      if (isGiven) await files.syncFolder(layout.signals);
    } finally {
      if (!isGiven) {
        this.#left.add(signal.signalId);
        this.#inbox.withdraw(posted);
      }
      this.#inbox.letGo(posted);
      if (isGiven) this.#inbox.posted(posted);
    }
    return isGiven;
  }

  putBack(signal: KeptSignal, done: () => void): void {
    this.returned(signal, done).catch((error: unknown) => {
      // It stays in the inbox, and is put back when the run is carried on, or forgotten.
      process.emitWarning(
        `Cannot put back signal "${signal.name}": ${(error as Error).message}`,
        'MillraceWarning',
      );
    });
  }

  /** Puts back what a run has been given and has not used. Of two who do that at once, one does. */
  async returned(signal: KeptSignal, done: () => unknown): Promise<void> {
    const { signalId } = signal;
    const before = this.#returning.get(signalId);
    if (before !== undefined) {
      await before;
      await done();
      return;
    }
    const turn = this.#return(signal, done).finally(() => this.#returning.delete(signalId));
    this.#returning.set(signalId, turn);
    await turn;
  }

  async #return(signal: KeptSignal, done: () => unknown): Promise<void> {
    const { signalId } = signal;
    this.#left.add(signalId);
    this.#given.delete(signalId);
    await this.#rest.add(signal);
    await done();
    for (const { told } of this.#hearers) told.delete(signalId);
    this.look();
  }

  /** Waits for what is being put back. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#returning.values());
  }

  close(): void {
    realTimers.clearInterval(this.#timer);
    this.#timer = undefined;
    this.#hearers.clear();
  }

  #tell(hearer: Hearer): void {
    for (const signal of [...this.#signals.values()].sort(byAge)) {
      const { signalId, name } = signal;
      if (!this.#hearers.has(hearer)) return;
      if ((hearer.name ?? name) !== name || hearer.told.has(signalId) || this.#isGiven(signalId)) continue;
      hearer.told.add(signalId);
      hearer.listener(signal);
    }
  }

  #list(): void {
    const { files, layout } = this.#folder;
    const there = new Set<string>();
    try {
      for (const file of namesIn(this.#folder)) {
        const signalId = idIn(file);
        there.add(signalId);
        if (!this.#signals.has(signalId) && !this.#damaged.has(file)) this.#read(file, signalId);
      }
      const answered = this.#left.size > 0 ? answeredIn(this.#folder) : undefined;
      for (const signalId of this.#left) {
        if (answered?.has(signalId) === true) continue;
        this.#left.delete(signalId);
        // Nobody may have got what could not be handed over: it is there as if it had just come.
        for (const { told } of this.#hearers) told.delete(signalId);
      }
    } catch (error) {
      this.#warn(layout.signals, error);
      return;
    }
    for (const signalId of this.#signals.keys()) if (!there.has(signalId)) this.#signals.delete(signalId);
    for (const signalId of this.#given)
      if (!there.has(signalId) && files.look(layout.signals) === undefined) this.#given.delete(signalId);
  }

  #read(file: string, signalId: string): void {
    const { files, layout } = this.#folder;
    const path = within(layout.signals, file);
    try {
      const bytes = files.readNow(path);
      if (bytes !== undefined) this.#signals.set(signalId, readSignal(path, bytes));
    } catch (error) {
      this.#damaged.add(file);
      this.#warn(path, error);
    }
  }

  #warn(path: string, error: unknown): void {
    const message = `Cannot read signals at ${path}: ${(error as Error).message}`;
    if (this.#warned === message) return;
    this.#warned = message;
    process.emitWarning(message, 'MillraceWarning');
  }

  #warned: string | undefined;
}

/** Removes what was handed over when the process before this one died: for good, before anybody uses the answer. */
export async function finishGiving(folder: Pick<SignalFolder, 'files' | 'layout'>): Promise<void> {
  const { files, layout } = folder;
  if (files.look(layout.signals)?.kind !== 'folder') return;
  const answered = answeredIn(folder);
  if (answered.size === 0) return;
  for (const file of namesIn(folder))
    if (answered.has(idIn(file))) files.remove(within(layout.signals, file));
  // It may have died behind the removal.
  await files.syncFolder(layout.signals);
}

/** The ids of the signals of which answers were made that are still there, and of other messages. */
function answeredIn({ files, layout }: Pick<SignalFolder, 'files' | 'layout'>): ReadonlySet<string> {
  return new Set(files.look(layout.inbox)?.kind === 'folder' ? files.list(layout.inbox).map(idIn) : []);
}

function readSignal(path: string, bytes: Buffer): KeptSignal {
  const { signal } = parseChecked(path, 'signal', bytes) as { readonly signal?: Partial<KeptSignal> };
  if (
    typeof signal?.name !== 'string' ||
    typeof signal.signalId !== 'string' ||
    typeof signal.at !== 'number'
  )
    throw new StoreCorruptError(path, 0, 'it is no signal');
  return signal as KeptSignal;
}

function namesIn({ files, layout }: Pick<SignalFolder, 'files' | 'layout'>): readonly string[] {
  if (files.look(layout.signals) === undefined) return [];
  return files.list(layout.signals).filter((name) => name.endsWith('.json'));
}

function nameOf({ name, signalId }: Pick<KeptSignal, 'name' | 'signalId'>): string {
  return `${prefixOf(name)}${signalId}.json`;
}

function prefixOf(name: string): string {
  return `${fileName(name)}~`;
}

/** The id in the name of the file of a signal, or of the answer that was made of one. */
function idIn(file: string): string {
  return file.slice(file.lastIndexOf('~') + 1, -'.json'.length);
}

function byAge(a: KeptSignal, b: KeptSignal): number {
  return a.signalId < b.signalId ? -1 : 1;
}
