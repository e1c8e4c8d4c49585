import { StoreCorruptError } from '../../errors/storageErrors';
import { MillraceError } from '../../model/failure';
import type { RunState } from '../../model/state';
import { realDelay } from '../../streams/realTimers';
import { pauses } from '../../streams/yieldOften';
import type { EventLog } from '../events/eventLog';
import type { RunQuery, RunSummary } from '../store';
import type { ListedRun } from '../summary';
import { summaryOf } from '../summary';
import type { Files } from './files/files';
import { JournalTail } from './journal/journalTail';
import { parseRecord } from './journal/replay';
import type { Layout } from './layout';
import { isLocked } from './lock/lock';
import type { Owners } from './lock/owner';
import { readSavedRun } from './records/runFile';
import type { RunLine } from './records/runIndex';
import { readHistoryFile, summaryIn } from './records/runIndex';
import { logAfter, readableLines, readResting, readStable, sinceForgotten } from './view';

/** A run as it was last seen. */
export interface SeenRun {
  readonly state: RunState;
  /** Undefined where no events are kept. */
  readonly log: EventLog | undefined;
  /** Number of the record of the journal up to which nothing of the run is missing. */
  readonly seq: number;
}

interface SeenHistory {
  readonly stamp: string;
  readonly store: string;
  readonly upTo: number;
  readonly lines: ReadonlyMap<string, RunLine>;
}

/** So many runs are remembered as they were last seen. */
const MOST_SEEN = 16;
/** So often reading is tried again before it counts as damage. */
const ROUNDS = 4;

/**
 * Reads the folder of a store beside whoever writes to it. What was read once is not read again: the journal is followed byte by
 * byte, the list of runs is read when it has been replaced, and the runs of late are remembered.
 */
export class SideReader {
  readonly #files: Files;
  readonly #layout: Layout;
  readonly #owners: Owners;
  readonly tail: JournalTail;
  readonly #seen = new Map<string, SeenRun>();
  /** What the list says of runs in the journal, as of their latest record. */
  readonly #summaries = new Map<string, { readonly seq: number; readonly run: RunSummary | undefined }>();
  #history: SeenHistory | undefined;

  constructor(files: Files, layout: Layout, owners: Owners) {
    this.#files = files;
    this.#layout = layout;
    this.#owners = owners;
    this.tail = new JournalTail(files, layout.journal, pauses());
  }

  /** How a run stands, for the store itself: not to be changed, and handed out only as a copy. */
  async heldRun(runId: string): Promise<RunState | undefined> {
    return (await this.run(runId))?.state;
  }

  /** A run as it stands now, not to be changed; undefined when there is none. */
  async run(runId: string): Promise<SeenRun | undefined> {
    return this.#settled(
      () => this.#run(runId),
      () =>
        readStable(this.#files, this.#layout, async ({ tail, lines, scan }) => {
          const found = tail.get(runId);
          const seq = scan.lastSeq;
          if (found !== undefined) return found.state && { state: found.state, log: found.log, seq };
          const line = lines.get(runId);
          if (line === undefined) return undefined;
          const { state, events } = await readResting(this.#files, this.#layout, line);
          return { state, log: events, seq };
        }),
    );
  }

  /** Whether the journal has a run of this id: until its file is written, nothing else tells of it. */
  async isUnderWay(runId: string): Promise<boolean> {
    const isThere = async (): Promise<boolean> => (await this.run(runId)) !== undefined;
    return this.#settled(async () => {
      await this.tail.refresh();
      return this.tail.latestOf(runId) > 0 && (await isThere());
    }, isThere);
  }

  async runs(onDamaged?: RunQuery['onDamaged']): Promise<readonly ListedRun[]> {
    const runs = await this.#settled(
      () => this.#runs(),
      () => (onDamaged === undefined ? this.#runsInFull() : this.#runs(onDamaged)),
    );
    // Where somebody writes to the store, a run that has not ended may be under way.
    const isWritten = await this.isWritten();
    return runs.map((run) => ({ run, isResting: !isWritten || run.status !== 'RUNNING' }));
  }

  #runsInFull(): Promise<readonly RunSummary[]> {
    return readStable(this.#files, this.#layout, ({ lines, tail }) => [
      ...[...lines.values()].filter(({ runId }) => !tail.has(runId)).flatMap((line) => summaryIn(line) ?? []),
      ...[...tail.values()].flatMap(({ state }) => (state === undefined ? [] : [summaryOf(state)])),
    ]);
  }

  /** Whether somebody has the folder open for writing. */
  isWritten(): Promise<boolean> {
    return isLocked(this.#files, this.#layout.lock, this.#owners);
  }

  /** What reading the events of a run has thrown: those that cannot be made whole are damaged. */
  asDamage(error: unknown): unknown {
    if (error instanceof MillraceError) return error;
    return new StoreCorruptError(this.#layout.runs, 0, `events of a run: ${(error as Error).message}`);
  }

  /**
   * Reads what has come since. Where the journal is empty that is the list of runs: whoever has opened and closed the store meanwhile
   * has left nothing else.
   */
  async refresh(): Promise<void> {
    await this.tail.refresh();
    if (this.tail.lastSeq === 0) await this.#readHistory();
  }

  /** Number of the last record that is known, also where it stands in the journal no more. */
  get lastSeq(): number {
    return Math.max(this.tail.lastSeq, this.#history?.upTo ?? 0);
  }

  /** Whether nothing can have been missed of what came behind this record. */
  isCovered(seq: number): boolean {
    return this.tail.lastSeq === 0 ? seq >= (this.#history?.upTo ?? 0) : seq + 1 >= this.tail.firstSeq;
  }

  /** While files change under the reader it tries again; what stays unreadable is read in full, which names the damage. */
  async #settled<T>(read: () => Promise<T>, readInFull: () => Promise<T>): Promise<T> {
    for (let round = 1; round <= ROUNDS; round += 1) {
      try {
        return await read();
      } catch (error) {
        if (!(error instanceof StoreCorruptError)) throw error;
      }
      this.#seen.clear();
      await realDelay(round * 5);
    }
    return readInFull();
  }

  async #run(runId: string): Promise<SeenRun | undefined> {
    // In this order: what the journal no longer has by then stands in the files that are read after it.
    await this.tail.refresh();
    const history = await this.#readHistory();
    if (history === undefined) return undefined;
    const before = this.#seen.get(runId);
    this.#seen.delete(runId);
    const base =
      before !== undefined && this.isCovered(before.seq) ? before : await this.#readFile(runId, history);
    const seen = this.#after(runId, base);
    if (seen === undefined) return undefined;
    this.#seen.set(runId, seen);
    if (this.#seen.size > MOST_SEEN) this.#seen.delete([...this.#seen.keys()][0] ?? '');
    return seen;
  }

  /** The run after the records behind `base`. */
  #after(runId: string, base: Partial<SeenRun> & { readonly seq: number }): SeenRun | undefined {
    let { state, log } = base;
    for (const scanned of sinceForgotten([...this.tail.recordsOf(runId, base.seq)])) {
      const record = parseRecord(scanned);
      if (!record.follows(state))
        throw new StoreCorruptError(scanned.file, scanned.offset, 'something before this record is missing');
      log = this.tail.keepsEvents ? logAfter(log, record, state) : undefined;
      state = record.apply(state);
    }
    const seq = Math.max(base.seq, this.tail.lastSeq);
    return state && { state, log, seq };
  }

  async #readFile(runId: string, history: SeenHistory): Promise<Partial<SeenRun> & { readonly seq: number }> {
    const path = this.#layout.run(runId);
    const line = history.lines.get(runId);
    const file = await readSavedRun(this.#files, this.#layout, runId, line);
    // A file of a run that was forgotten may come back with a power loss: it is older than the history.
    const isKnown =
      file !== undefined && (line === undefined ? file.upTo > history.upTo : file.upTo >= line.upTo);
    if (isKnown) return { state: file.state, log: file.events, seq: file.upTo };
    const [first] = this.tail.recordsOf(runId, 0);
    if (line !== undefined && first === undefined)
      throw new StoreCorruptError(path, 0, `the file of run "${runId}" is missing`);
    return { seq: line === undefined ? history.upTo : line.upTo };
  }

  async #runs(onDamaged?: RunQuery['onDamaged']): Promise<readonly RunSummary[]> {
    await this.tail.refresh();
    const history = await this.#readHistory();
    if (history === undefined) return [];
    const changed = this.tail.runsBehind(history.upTo);
    const summaries: RunSummary[] = [];
    for (const [runId, line] of history.lines) {
      const summary = changed.has(runId) ? undefined : summaryIn(line, onDamaged);
      if (summary !== undefined) summaries.push(summary);
    }
    for (const runId of [...this.#summaries.keys()]) if (!changed.has(runId)) this.#summaries.delete(runId);
    for (const runId of changed) {
      const seq = this.tail.latestOf(runId);
      let known = this.#summaries.get(runId);
      if (known?.seq !== seq) {
        try {
          known = { seq, run: await this.#summary(runId, history) };
        } catch (error) {
          if (onDamaged === undefined || !(error instanceof StoreCorruptError)) throw error;
          onDamaged(runId, error);
          continue;
        }
        this.#summaries.set(runId, known);
      }
      if (known.run !== undefined) summaries.push(known.run);
    }
    return summaries;
  }

  async #summary(runId: string, history: SeenHistory): Promise<RunSummary | undefined> {
    const before = this.#seen.get(runId);
    const isCovered = before !== undefined && this.isCovered(before.seq);
    const seen = this.#after(runId, isCovered ? before : await this.#readFile(runId, history));
    return seen && summaryOf(seen.state);
  }

  /** The list of runs, read anew when it has been replaced. */
  async #readHistory(): Promise<SeenHistory | undefined> {
    const path = this.#layout.history;
    const found = this.#files.look(path);
    const stamp = found && `${found.id} ${String(found.stamp)}`;
    if (stamp !== undefined && stamp === this.#history?.stamp) return this.#history;
    const read = stamp === undefined ? undefined : await readHistoryFile(this.#files, path);
    if (read === undefined || stamp === undefined) {
      const strays = [...this.#files.list(this.#layout.journal), ...this.#files.list(this.#layout.runs)];
      if (strays.length > 0) throw new StoreCorruptError(path, 0, 'the file is missing, but there are runs');
      this.#history = undefined;
      return undefined;
    }
    const { store, upTo, runs } = read;
    if (this.#history?.store !== store) this.#seen.clear();
    this.#history = { stamp, store, upTo, lines: await readableLines(this.#files, this.#layout, runs) };
    return this.#history;
  }
}
