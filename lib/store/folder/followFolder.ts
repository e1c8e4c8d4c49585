import { createHash } from 'node:crypto';

import type { Subscriber } from 'rxjs';
import { Observable } from 'rxjs';

import { EventsNotKeptError, UnknownRunError } from '../../errors/storageErrors';
import type { RunEvent } from '../../model/event';
import { isEnd } from '../../model/event';
import { realTimers } from '../../streams/realTimers';
import { pauses } from '../../streams/yieldOften';
import { EventReader } from '../events/eventReader';
import type { EventsOptions, KeptEvent, RunChange, RunSummary } from '../store';
import { summaryOf } from '../summary';
import type { SeenRun, SideReader } from './folderReader';

/** How often the journal is looked at while something comes, in milliseconds, and while nothing does. */
const BUSY_MS = 40;
const IDLE_MS = 150;
/** What this process writes meanwhile is looked at together. */
const POKED_MS = 4;
/** For so long after something has come more is expected. */
const BUSY_FOR_MS = 2_000;
/** How often it is asked whether whoever writes is still there. */
const OWNER_MS = 1_000;

/** Somebody who follows a folder: looks what is new, one look at a time. False when it is done. */
interface Follower {
  look(): Promise<boolean>;
  fail(error: unknown): void;
}

/** Follows what is written to a folder, by this process or another one: one look at the journal for all who follow. */
export class FolderFollower {
  readonly #reader: SideReader;
  /** Whether a run is under way, where that is known for certain. */
  readonly #isClaimed: (runId: string) => boolean | undefined;
  readonly #followers = new Set<Follower>();
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #isPoked = false;
  #lastSeq = 0;
  #busyUntil = 0;

  constructor(reader: SideReader, isClaimed: (runId: string) => boolean | undefined) {
    this.#reader = reader;
    this.#isClaimed = isClaimed;
  }

  /** Looks soon: this process has written something. */
  poke(): void {
    if (this.#followers.size === 0 || this.#isPoked) return;
    this.#isPoked = true;
    realTimers.setTimeout(() => {
      this.#isPoked = false;
      this.#lookNow();
    }, POKED_MS);
  }

  events(runId: string, { after = 0, live = false }: EventsOptions = {}): Observable<KeptEvent> {
    return new Observable<KeptEvent>((subscriber) => {
      const isUnderWay = async (): Promise<boolean> =>
        this.#isClaimed(runId) ?? (await this.#reader.isWritten());
      return this.#follow(new EventFollower(this.#reader, runId, { after, live }, subscriber, isUnderWay));
    });
  }

  changes(): Observable<RunChange> {
    return new Observable<RunChange>((subscriber) =>
      this.#follow(new ChangeFollower(this.#reader, subscriber)),
    );
  }

  #follow(follower: Follower): () => void {
    this.#followers.add(follower);
    realTimers.setImmediate(() => {
      this.#lookNow();
    });
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size > 0) return;
      realTimers.clearTimeout(this.#timer);
      this.#timer = undefined;
    };
  }

  #lookNow(): void {
    realTimers.clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isLooking) {
      this.poke();
      return;
    }
    this.#isLooking = true;
    void this.#look().finally(() => {
      this.#isLooking = false;
      if (this.#followers.size === 0) return;
      const isBusy = performance.now() < this.#busyUntil;
      this.#timer ??= realTimers.setTimeout(
        () => {
          this.#lookNow();
        },
        isBusy ? BUSY_MS : IDLE_MS,
      );
    });
  }

  async #look(): Promise<void> {
    try {
      // Only a hint: who follows finds out by reading that files have changed meanwhile.
      await this.#reader.refresh();
    } catch {
      this.#busyUntil = performance.now() + BUSY_FOR_MS;
    }
    if (this.#reader.lastSeq !== this.#lastSeq) this.#busyUntil = performance.now() + BUSY_FOR_MS;
    this.#lastSeq = this.#reader.lastSeq;
    for (const follower of [...this.#followers]) {
      try {
        if (!(await follower.look())) this.#followers.delete(follower);
      } catch (error) {
        this.#followers.delete(follower);
        follower.fail(this.#reader.asDamage(error));
      }
    }
  }
}

/** Tells the events of one run. */
class EventFollower implements Follower {
  readonly #source: SideReader;
  readonly #runId: string;
  readonly #options: Required<EventsOptions>;
  readonly #subscriber: Subscriber<KeptEvent>;
  readonly #isUnderWay: () => Promise<boolean>;
  #reader: EventReader;
  /** Record of the journal up to which everything was told; undefined before the first look. */
  #seq: number | undefined;
  #offset = 0;
  #incarnation: string | undefined;
  #hasRested = false;
  #askedAt = -Infinity;

  constructor(
    source: SideReader,
    runId: string,
    options: Required<EventsOptions>,
    subscriber: Subscriber<KeptEvent>,
    isUnderWay: () => Promise<boolean>,
  ) {
    this.#source = source;
    this.#runId = runId;
    this.#options = options;
    this.#subscriber = subscriber;
    this.#isUnderWay = isUnderWay;
    this.#reader = new EventReader(runId);
  }

  async look(): Promise<boolean> {
    const isGone =
      this.#seq === undefined || !this.#source.isCovered(this.#seq) ? await this.#load() : this.#readOn();
    if (isGone || (this.#isOver() && !this.#subscriber.closed)) this.#subscriber.complete();
    else if (!this.#options.live && !this.#hasRested && performance.now() - this.#askedAt > OWNER_MS) {
      this.#askedAt = performance.now();
      if (!(await this.#isUnderWay()) && !(await this.#tellsMore())) this.#subscriber.complete();
    }
    return !this.#subscriber.closed;
  }

  fail(error: unknown): void {
    this.#subscriber.error(error);
  }

  /** Tells what is kept of the run and was not told; true when the run is gone. */
  async #load(): Promise<boolean> {
    const isFirst = this.#seq === undefined;
    const run = await this.#source.run(this.#runId);
    if (run === undefined) {
      if (isFirst) throw new UnknownRunError(this.#runId);
      return true;
    }
    const { state, seq, log } = run;
    if (!isFirst && state.incarnation !== this.#incarnation) return true;
    if (log === undefined) throw new EventsNotKeptError(this.#runId);
    this.#incarnation = state.incarnation;
    await this.#tellLog({ ...run, log });
    this.#seq = seq;
    this.#hasRested = state.status !== 'RUNNING';
    return false;
  }

  async #tellLog({ log, state }: SeenRun & { readonly log: NonNullable<SeenRun['log']> }): Promise<void> {
    const pause = pauses();
    this.#reader = new EventReader(this.#runId);
    const told = Math.max(this.#offset, this.#options.after);
    const { count } = log; // Others who read the run may add to it.
    // Read to its end, because what comes later builds on it.
    for (const kept of log.read(told, this.#runId, state, this.#reader)) {
      if (this.#subscriber.closed) return;
      this.#subscriber.next(kept);
      const rest = pause();
      if (rest !== undefined) await rest;
    }
    this.#offset = count;
  }

  /** Tells what has come to the journal since; true when the run is gone. */
  #readOn(): boolean {
    const { tail } = this.#source;
    for (const { seq, json } of tail.recordsOf(this.#runId, this.#seq ?? 0)) {
      const content = JSON.parse(json) as {
        readonly type: RunEvent['type'] | 'store.deleted' | 'store.imported';
      };
      // One that is put in, or begins, under this id is another run.
      if (content.type === 'store.deleted' || content.type === 'store.imported') return true;
      const event = this.#reader.read(content, json.length);
      this.#offset += 1;
      this.#seq = seq;
      if (isEnd(event)) this.#hasRested = true;
      else if (event.type === 'run.resumed' || event.type === 'run.started') this.#hasRested = false;
      if (this.#offset > this.#options.after) this.#subscriber.next({ offset: this.#offset, event });
      if (this.#subscriber.closed || this.#isOver()) return false;
    }
    this.#seq = Math.max(this.#seq ?? 0, tail.lastSeq);
    return false;
  }

  #isOver(): boolean {
    return !this.#options.live && this.#hasRested;
  }

  /**
   * Tells what has come between the latest look and the answer that nobody writes. Whoever wrote may have ended and put everything
   * into other files meanwhile, so all is read anew. True when there was something, and the run is still there.
   */
  async #tellsMore(): Promise<boolean> {
    const before = this.#offset;
    const isGone = await this.#load();
    return !isGone && this.#offset > before;
  }
}

/**
 * Tells how runs stand whenever they have changed. Of each run it holds the id and a hash of how it stands: about 80 bytes for an id of
 * 16 characters, where the line of the list takes 370 or more.
 */
class ChangeFollower implements Follower {
  readonly #source: SideReader;
  readonly #subscriber: Subscriber<RunChange>;
  #seq: number | undefined;
  /** Hashes of how the runs stood that were there at the latest look. */
  #known = new Map<string, number>();

  constructor(source: SideReader, subscriber: Subscriber<RunChange>) {
    this.#source = source;
    this.#subscriber = subscriber;
  }

  async look(): Promise<boolean> {
    const { tail } = this.#source;
    const before = this.#seq;
    if (before === undefined || !this.#source.isCovered(before)) {
      const runs = await this.#source.runs();
      this.#tellRuns(
        before,
        runs.map(({ run }) => run),
      );
      this.#seq = this.#source.lastSeq;
      return !this.#subscriber.closed;
    }
    this.#seq = Math.max(before, tail.lastSeq);
    for (const runId of tail.runsBehind(before)) {
      const run = await this.#source.run(runId);
      if (this.#subscriber.closed) return false;
      if (run !== undefined) {
        const summary = summaryOf(run.state);
        this.#known.set(runId, hashOf(summary));
        this.#subscriber.next(summary);
      } else if (this.#known.delete(runId)) this.#subscriber.next({ gone: runId });
    }
    return !this.#subscriber.closed;
  }

  fail(error: unknown): void {
    this.#subscriber.error(error);
  }

  /** After a gap nobody knows what has changed: told is what stands differently. The first look tells nothing. */
  #tellRuns(before: number | undefined, runs: readonly RunSummary[]): void {
    const known = new Map(runs.map((run) => [run.runId, hashOf(run)]));
    if (before !== undefined) {
      for (const runId of this.#known.keys()) if (!known.has(runId)) this.#subscriber.next({ gone: runId });
      for (const run of runs)
        if (known.get(run.runId) !== this.#known.get(run.runId)) this.#subscriber.next(run);
    }
    this.#known = known;
  }
}

/** A number of 48 bits, the same for two lines that say the same, in whatever order their fields stand. */
function hashOf(run: RunSummary): number {
  const text = JSON.stringify(run, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(text).digest().readUIntBE(0, 6);
}
