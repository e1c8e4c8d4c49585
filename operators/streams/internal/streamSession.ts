import type { Patch } from 'immer';
import { enablePatches, Immer } from 'immer';
import type { SchedulerLike } from 'rxjs';
import { asyncScheduler } from 'rxjs';

import { StateValueError } from '../../../lib/errors/runErrors';
import { StreamNameError } from '../../../lib/errors/storageErrors';
import { InvalidArgumentError } from '../../../lib/model/failure';
import { withPatches } from '../../../lib/model/shared';
import type { RowChange, StreamClaim, StreamSummary } from '../../../lib/store/streamRest';
import { ID_TABLE } from '../../../lib/store/streamRest';
import { lateItems } from '../../../lib/store/streamTables';
import type { Stop } from '../../../lib/streams/pull';
import type { StreamItem } from '../../../lib/streams/streamItem';
import { currentItem, withItem } from '../../../lib/streams/streamItem';
import { realTimers } from '../../../lib/streams/realTimers';
import { clockProblem } from '../../../lib/engine/clockProblem';
import { checkedPatches, checkedRow, checkedSize } from './checkedItems';

enablePatches();
const immer = new Immer({ autoFreeze: false });

/** What happens to an item whose handling has failed for good. */
export type OnFailed =
  /** The stream errors, and its offset stays before the item. */
  | 'stop'
  /** The item counts as handled. */
  | 'pass'
  /**
   * The same, once this has returned, or its Promise has resolved: a place for what could not be handled. It is given the input of the
   * run that has failed, such as a window.
   */
  | ((input: unknown, error: unknown) => unknown);

/** What a session needs. */
export interface SessionOptions {
  readonly name: string;
  readonly claim: StreamClaim;
  readonly scheduler: SchedulerLike;
  readonly onFailed: OnFailed;
  /** Of how many sources it is made, where that is known before they are read; 1 when left out. */
  readonly sources?: number;
  /** Who looks at it. */
  readonly monitor?: object | undefined;
}

/**
 * A stream that remembers, while it is under way: its items in the order in which they came, and what its operators hold.
 *
 * An item is done when nobody holds it any more. Items that are done, and before which nothing is open, are written down together:
 * their offsets and all changes that were made for them are one record. So a table never says more than the offset, and never less.
 */
export class StreamSession {
  readonly name: string;
  readonly scheduler: SchedulerLike;
  readonly #options: SessionOptions;
  readonly #tables = new Map<string, Table>();
  /** Not yet written down, oldest first. */
  readonly #items: Item[] = [];
  #unkept = 0;
  #sources = 0;
  #endedSources = 0;
  /** Names of sources that are read, or have been. */
  readonly #sourceNames = new Set<string>();
  readonly #places = new Map<string, string>();
  #keeping = 0;
  #collecting = 0;
  #isUnsettled = false;
  #isFlushing = false;
  #changes = 0;
  #isBroken = false;
  #isAbandoned = false;
  #isReleased = false;
  /** Operators that have not finished. */
  readonly #operators = new Set<object>();
  /** An operator was left before it had finished. */
  #isLeft = false;
  /** Gives the stream back; there once the sources have ended. */
  #leave: (() => void) | undefined;
  #idle: (() => void)[] = [];
  readonly #rooms = new Set<() => void>();
  /** Sources that are held back. */
  readonly #held = new Set<string>();
  #heldSince: number | undefined;
  #heldMs = 0;
  /** Wait until no source is held back. */
  #listening: (() => void)[] = [];
  readonly #broken = new Set<(error: unknown) => void>();
  readonly #offsets: Map<string, unknown>;
  readonly #lags = new Map<string, number>();
  readonly #now: () => number;
  /** Whether its ids have the form that no other stream makes: not where it was begun before there was one. */
  readonly #hasOwnIds: boolean;
  /** Whether that is written down. */
  #saysOwnIds: boolean;
  #committedAt: number;

  constructor(options: SessionOptions) {
    this.name = options.name;
    this.scheduler = options.scheduler;
    this.#options = options;
    this.#committedAt = options.claim.saved?.committedAt ?? 0;
    this.#offsets = new Map(options.claim.saved?.offsets);
    this.#now = steadyClock(options.scheduler, this.#committedAt);
    this.#saysOwnIds = options.claim.saved?.tables.has(ID_TABLE) === true;
    this.#hasOwnIds = options.claim.saved === undefined || this.#saysOwnIds;
  }

  /** Joins the names of which an id consists. */
  #joined(...names: readonly string[]): string {
    // Without what stands between them: "a/b" of no stream is then source "b" of stream "a".
    return names
      .map((name) => (this.#hasOwnIds ? name.replace(/[%/@\s]/g, encodeURIComponent) : name))
      .join('/');
  }

  /** Names what an operator makes of many items: the same after a restart, and of no other stream. */
  idOf(operator: string, what: string): string {
    const isAlone = operator === this.name || !this.#hasOwnIds;
    return `${isAlone ? this.#joined(operator) : this.#joined(this.name, operator)} ${what}`;
  }

  /** Epoch milliseconds by a clock that is never set: it goes on from the moment at which the stream was opened. */
  now(): number {
    const at = this.#now();
    const problem = clockProblem(at);
    if (problem !== undefined) this.#break(problem);
    return at;
  }

  /** A setting of a part of the stream which differs from that of the whole; undefined where there is none. */
  ownSetting(part: Partial<Pick<SessionOptions, 'monitor' | 'onFailed' | 'scheduler'>>): string | undefined {
    const settings = ['monitor', 'onFailed', 'scheduler'] as const;
    return settings.find((one) => part[one] !== undefined && part[one] !== this.#options[one]);
  }

  /** How the stream stands: what was written down, and what it holds now. */
  summary(): StreamSummary {
    const late = [...this.#tables].map(([name, table]) => [name, lateItems(table.rows)] as const);
    return {
      name: this.name,
      offsets: Object.fromEntries(this.#offsets),
      lags: Object.fromEntries(this.#lags),
      tables: Object.fromEntries([...this.#tables].map(([name, { rows }]) => [name, rows.size])),
      late: Object.fromEntries(late.filter(([, count]) => count > 0)),
      committedAt: this.#committedAt,
    };
  }

  /** The offset below which everything is handled, and written down; undefined for a new source. */
  offset(source: string): unknown {
    return this.#offsets.get(source);
  }

  /** How many items are not done, or not written down. */
  get inFlight(): number {
    return this.#items.length + this.#unkept;
  }

  /**
   * What an operator remembers, as it was left.
   *
   * @throws StreamNameError when another operator of the stream has this name.
   */
  table(name: string): Table {
    if (this.#tables.has(name)) {
      throw new StreamNameError(`two operators of stream "${this.name}" remember under "${name}"`);
    }
    if (name === ID_TABLE) throw new StreamNameError(`"${name}" is what every stream remembers of itself`);
    const table = new Table(name, this.#options.claim.saved?.tables.get(name));
    this.#tables.set(name, table);
    return table;
  }

  /** Takes a table back, as if nobody had asked for it. */
  dropTable(name: string): void {
    this.#tables.delete(name);
  }

  /**
   * Handles an item of a source: everything that `work` does belongs to it. Where it gives false, nobody has taken the item: it is
   * not done, and is handled again by whoever claims the stream next.
   *
   * @param lag - How much the source holds behind this item, as far as is known, in a unit of its own.
   */
  handle(source: string, offset: unknown, work: () => boolean, lag?: number): void {
    this.#begin(new Item(this, `${this.#placeOf(source)}@${textOf(offset)}`, [source, offset], lag), work);
  }

  /** How the ids of all items of a source begin: two sources of one stream may have the same offsets. */
  #placeOf(source: string): string {
    let place = this.#places.get(source);
    if (place === undefined) {
      place = source === this.name ? this.#joined(source) : this.#joined(this.name, source);
      this.#places.set(source, place);
    }
    return place;
  }

  /** Handles something that no source gave, such as the end of a window that a clock has closed; nothing where nobody is left to take it. */
  tick(id: string, work: () => boolean): void {
    if (!this.#isBroken && !this.#isAbandoned)
      this.#begin(new Item(this, `${this.#joined(this.name)}@${id}`, undefined), work);
  }

  /**
   * Does `first` and, when what it has changed is durable, `then`. What `then` emits is bound to what `first` has decided: after a crash
   * in between, whoever claims the stream finds the decision.
   */
  decide(id: string, first: () => void, then: () => boolean): void {
    this.tick(id, () => {
      currentItem()?.onKept(() => {
        this.tick(id, then);
      });
      first();
      return true;
    });
  }

  /**
   * Tells what follows from the item that is being handled, and would not follow from it again after a crash, since the sources of a
   * stream may give their items in another order then: it waits until the item is durable. With one source it is told at once.
   */
  whenDecided(id: string, tell: () => void): void {
    const { sources = 1 } = this.#options;
    const item = Math.max(sources, this.#sources) > 1 ? currentItem() : undefined;
    if (item === undefined) {
      tell();
      return;
    }
    item.onKept(() => {
      this.tick(id, () => {
        tell();
        return true;
      });
    });
  }

  /**
   * A source gives items from now on; what comes back gives its name free.
   *
   * @throws StreamNameError when another source of the stream has this name: one offset cannot tell how far both are.
   */
  addSource(name: string): Stop {
    if (this.#sourceNames.has(name))
      throw new StreamNameError(`two sources of stream "${this.name}" are called "${name}"`);
    this.#sources += 1;
    this.#sourceNames.add(name);
    return () => {
      this.#sourceNames.delete(name);
    };
  }

  /** A source has given everything. */
  sourceEnded(): void {
    this.#endedSources += 1;
  }

  /** Whether the sources have given everything; false where they were only left. */
  get hasEnded(): boolean {
    return this.#endedSources >= this.#sources;
  }

  #begin(item: Item, work: () => boolean): void {
    this.#items.push(item);
    const release = item.hold();
    if (withItem(item, work)) release();
  }

  /** Numbers a change: changes are written down in the order in which they were made. */
  nextChange(): number {
    return (this.#changes += 1);
  }

  /**
   * Does something that handles items, and writes down together what is done by then: a record an item would cost more than the item.
   *
   * @param mayWait - More items are about to come: what is done may wait until the event loop has turned, or until there is no room.
   */
  collect(work: () => void, mayWait: () => boolean): void {
    this.#collecting += 1;
    try {
      work();
    } finally {
      this.#collecting -= 1;
    }
    if (!this.#isUnsettled) return;
    if (!mayWait() || this.scheduler !== asyncScheduler) this.flush();
    else if (!this.#isFlushing) {
      this.#isFlushing = true;
      realTimers.setImmediate(() => {
        this.#isFlushing = false;
        this.flush();
      });
    }
  }

  /** Writes down what is done, also where more is being collected. */
  writeDown(): void {
    if (this.#isUnsettled) this.#settleNow();
  }

  /** Writes down what is done. */
  flush(): void {
    if (this.#isUnsettled && this.#collecting === 0) this.#settleNow();
  }

  /** Writes down what can be: called whenever an item is done. */
  settle(): void {
    this.#isUnsettled = true;
    this.flush();
  }

  #settleNow(): void {
    this.#isUnsettled = false;
    if (this.#isBroken) return;
    const count = this.#countToKeep();
    if (count === 0) return;
    const done = this.#items.splice(0, count);
    const offsets = new Map<string, unknown>();
    const lags = new Map<string, number>();
    for (const { reached, lag } of done) {
      if (reached === undefined) continue;
      offsets.set(...reached);
      if (lag !== undefined) lags.set(reached[0], lag);
    }
    const changes: NumberedChange[] = [];
    for (const item of done) for (const change of item.changes) changes.push(change);
    const rows = shortened(changes.sort((a, b) => a.number - b.number).map(({ row }) => row));
    let durable: void | Promise<void> = undefined;
    try {
      if (offsets.size > 0 || rows.length > 0) {
        const at = this.now();
        if (this.#hasBroken()) return;
        durable = this.#options.claim.commit({
          offsets: [...offsets],
          ...(lags.size > 0 && { lags: [...lags] }),
          rows: this.#hasOwnIds && !this.#saysOwnIds ? [OWN_IDS, ...rows] : rows,
          at,
        });
        this.#saysOwnIds = true;
        for (const [source, offset] of offsets) this.#offsets.set(source, offset);
        for (const [source, lag] of lags) this.#lags.set(source, lag);
        this.#committedAt = at;
      }
    } catch (error) {
      this.#break(error);
      return;
    }
    if (durable === undefined) {
      this.#kept(done);
      return;
    }
    this.#unkept += done.length;
    durable.then(
      () => {
        this.#unkept -= done.length;
        this.#kept(done);
      },
      (error: unknown) => {
        this.#break(error);
      },
    );
  }

  /**
   * How many items can be written down: all of them are done, and every change that was made before their last one is theirs.
   * Otherwise a table would hold what later items have made of it. Items that wait for this are bounded, as all are that are in
   * flight.
   */
  #countToKeep(): number {
    let done = this.#items.findIndex(({ isDone }) => !isDone);
    if (done === -1) done = this.#items.length;
    let earliestBehind = Infinity;
    for (const { changes } of this.#items.slice(done)) {
      earliestBehind = Math.min(earliestBehind, changes[0]?.number ?? Infinity);
    }
    let latest = 0;
    const latestUpTo = this.#items.slice(0, done).map(({ changes }) => {
      latest = Math.max(latest, changes.at(-1)?.number ?? 0);
      return latest;
    });
    for (let count = done; count > 0; count -= 1) {
      if ((latestUpTo[count - 1] ?? 0) < earliestBehind) return count;
      earliestBehind = Math.min(earliestBehind, this.#items[count - 1]?.changes[0]?.number ?? Infinity);
    }
    return 0;
  }

  #kept(done: readonly Item[]): void {
    // What is called back may let others be kept, within this call: nothing is idle before all have been called.
    this.#keeping += 1;
    for (const item of done) item.kept();
    this.#keeping -= 1;
    for (const look of [...this.#rooms]) look();
    if (this.inFlight > 0 || this.#keeping > 0) return;
    for (const idle of this.#idle.splice(0)) idle();
  }

  /** Calls back whenever items are written down, so that there may be room for others. */
  onRoom(look: () => void): Stop {
    this.#rooms.add(look);
    return () => {
      this.#rooms.delete(look);
    };
  }

  /** Says whether a source is held back: not asked for more, because too much is under way. */
  holdBack(source: string, isHeld: boolean): void {
    if (this.#held.has(source) === isHeld) return;
    if (isHeld) {
      this.#held.add(source);
      this.#heldSince ??= this.#now();
      return;
    }
    this.#held.delete(source);
    if (this.#held.size > 0 || this.#heldSince === undefined) return;
    this.#heldMs += this.#now() - this.#heldSince;
    this.#heldSince = undefined;
    for (const goOn of this.#listening.splice(0)) goOn();
  }

  /** Milliseconds by a clock that stands still while a source is held back: it could give nothing then. */
  listenedMs(): number {
    return (this.#heldSince ?? this.#now()) - this.#heldMs;
  }

  /** Calls back once no source is held back; false where none is. */
  whenListening(work: () => void): boolean {
    if (this.#heldSince === undefined) return false;
    this.#listening.push(work);
    return true;
  }

  /** Calls back when everything that came is written down. */
  whenIdle(work: () => void): void {
    if (this.inFlight === 0 && this.#keeping === 0) work();
    else this.#idle.push(work);
  }

  /** What was done with an item has failed for good. */
  failed(input: unknown, error: unknown, release: Stop): void {
    const { onFailed } = this.#options;
    if (onFailed === 'stop') {
      this.#collecting = 0;
      this.flush();
      this.#break(error);
      return;
    }
    if (onFailed === 'pass') {
      release();
      return;
    }
    Promise.resolve()
      .then(() => onFailed(input, error))
      .then(release, (thrown: unknown) => {
        this.#break(thrown);
      });
  }

  /** Calls back when the stream cannot go on. */
  onBroken(look: (error: unknown) => void): Stop {
    this.#broken.add(look);
    return () => {
      this.#broken.delete(look);
    };
  }

  /** A function, because the compiler does not see that a wrong clock breaks it. */
  #hasBroken(): boolean {
    return this.#isBroken;
  }

  #break(error: unknown): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    for (const look of [...this.#broken]) look(error);
  }

  /** Nobody takes anything more. What is not done is handled again by whoever claims the stream next. */
  abandon(): void {
    // What is decided when the rest is written down is told in the next life.
    this.#isAbandoned = true;
    // Whoever leaves within an item leaves what was done before it.
    this.#collecting = 0;
    this.flush();
    this.#isBroken = true;
  }

  /** Gives the stream back. */
  release(): void | Promise<void> {
    if (this.#isReleased) return undefined;
    this.#isReleased = true;
    this.abandon();
    return this.#options.claim.release();
  }

  /** The sources have ended: gives the stream back when everything is written down and the operators have told their rest. */
  releaseWhenIdle(release: () => void): void {
    this.#leave = release;
    this.#releaseIfOver();
  }

  #releaseIfOver(): void {
    const leave = this.#leave;
    if (leave === undefined || this.#operators.size > 0) return;
    if (this.#isBroken || this.#isLeft) leave();
    else this.whenIdle(leave);
  }

  /** An operator remembers; what comes back says that it has told its rest, or else that it is left. */
  attached(): (hasFinished: boolean) => void {
    const operator = {};
    this.#operators.add(operator);
    return (hasFinished) => {
      if (!this.#operators.delete(operator)) return;
      this.#isLeft ||= !hasFinished;
      // Where the sources have ended already, nobody else gives the stream back.
      if (hasFinished) this.#releaseIfOver();
      else this.#leave?.();
    };
  }
}

const OWN_IDS: RowChange = { table: ID_TABLE, key: 'form', value: 2 };

/** The same changes, without those that later ones undo. */
function shortened(rows: readonly RowChange[]): readonly RowChange[] {
  if (rows.length < 2) return rows;
  const kept: (RowChange | undefined)[] = [];
  const places = new Map<string, Map<string, number[]>>();
  for (const row of rows) {
    let table = places.get(row.table);
    if (table === undefined) places.set(row.table, (table = new Map<string, number[]>()));
    let known = table.get(row.key);
    if (known === undefined) table.set(row.key, (known = []));
    if (row.patches === undefined) for (const place of known.splice(0)) kept[place] = undefined;
    const last = known.at(-1);
    if (last !== undefined && replaceTheSame(kept[last], row)) {
      kept[last] = row;
      continue;
    }
    known.push(kept.length);
    kept.push(row);
  }
  return kept.filter((row) => row !== undefined);
}

function replaceTheSame(before: RowChange | undefined, after: RowChange): boolean {
  const one = before?.patches;
  const other = after.patches;
  if (one?.length !== other?.length || one === undefined || other === undefined) return false;
  return one.every((patch, index) => {
    const next = other[index];
    return (
      patch.op === 'replace' &&
      next?.op === 'replace' &&
      patch.path.length === next.path.length &&
      patch.path.every((part, at) => part === next.path[at])
    );
  });
}

/** A clock that jumps neither when the system's is set, nor behind the moment at which the stream was left. */
function steadyClock(scheduler: SchedulerLike, notBefore: number): () => number {
  if (scheduler !== asyncScheduler) return () => scheduler.now();
  const base = Math.max(scheduler.now(), notBefore) - performance.now();
  return () => Math.round(base + performance.now());
}

/** The session of the item that is being handled. */
export function currentSession(): StreamSession | undefined {
  const session = currentItem()?.session;
  return session instanceof StreamSession ? session : undefined;
}

/** A change, and when it was made. */
interface NumberedChange {
  readonly number: number;
  readonly row: RowChange;
}

class Item implements StreamItem {
  readonly id: string;
  readonly session: StreamSession;
  readonly reached: readonly [source: string, offset: unknown] | undefined;
  readonly lag: number | undefined;
  readonly changes: NumberedChange[] = [];
  readonly #names = new Map<string, number>();
  #holders = 0;
  #afterwards: (() => void)[] = [];

  constructor(
    session: StreamSession,
    id: string,
    reached: readonly [source: string, offset: unknown] | undefined,
    lag?: number,
  ) {
    this.session = session;
    this.id = id;
    this.reached = reached;
    this.lag = lag;
  }

  get isDone(): boolean {
    return this.#holders === 0;
  }

  nameFor(who: string, id = this.id): string {
    const name = `${who} ${id}`;
    const count = this.#names.get(name) ?? 0;
    this.#names.set(name, count + 1);
    return count === 0 ? name : `${name} #${String(count)}`;
  }

  note(row: RowChange): void {
    this.changes.push({ number: this.session.nextChange(), row });
  }

  hold(): Stop {
    this.#holders += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#holders -= 1;
      if (this.#holders === 0) this.session.settle();
    };
  }

  fail(input: unknown, error: unknown): void {
    this.session.failed(input, error, this.hold());
  }

  onKept(work: () => void): void {
    this.#afterwards.push(work);
  }

  kept(): void {
    for (const work of this.#afterwards.splice(0)) work();
  }
}

/** A part of an item: what an operator makes of it under an id of its own, such as a window that it closes. */
class ItemPart implements StreamItem {
  readonly id: string;
  readonly item: Item;

  constructor(item: Item, id: string) {
    this.item = item;
    this.id = id;
  }

  get session(): StreamSession {
    return this.item.session;
  }

  nameFor(who: string): string {
    return this.item.nameFor(who, this.id);
  }

  hold(): Stop {
    return this.item.hold();
  }

  fail(input: unknown, error: unknown): void {
    this.item.fail(input, error);
  }

  onKept(work: () => void): void {
    this.item.onKept(work);
  }
}

/** Does something as a part of the item that is being handled, under an id of its own. */
export function asPart<T>(id: string, work: () => T): T {
  const item = whole(currentItem());
  return item === undefined ? work() : withItem(new ItemPart(item, id), work);
}

function whole(item: StreamItem | undefined): Item | undefined {
  if (item instanceof ItemPart) return item.item;
  return item instanceof Item ? item : undefined;
}

/** What one operator remembers: rows of plain JSON by key. Every change belongs to the item that is being handled. */
export class Table {
  readonly #name: string;
  readonly #rows: Map<string, unknown>;
  /** Bytes of JSON that rows which have grown piece by piece have at most. */
  readonly #sizes = new Map<string, number>();

  constructor(name: string, saved: ReadonlyMap<string, unknown> = new Map()) {
    this.#name = name;
    this.#rows = new Map(saved);
  }

  /** All rows, as they are now and will be. */
  get rows(): ReadonlyMap<string, unknown> {
    return this.#rows;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  get(key: string): unknown {
    return this.#rows.get(key);
  }

  /** @throws StateValueError when the row is not plain JSON. */
  set(key: string, row: unknown): void {
    const value = checkedRow(this.#name, row);
    if (value === undefined) throw new StateValueError(this.#name, '', 'undefined', `"${this.#name}"`);
    this.#rows.delete(key);
    this.#sizes.delete(key);
    this.#rows.set(key, ownCopy(value));
    this.#note({ table: this.#name, key, value });
  }

  delete(key: string): void {
    this.#sizes.delete(key);
    if (this.#rows.delete(key)) this.#note({ table: this.#name, key });
  }

  /**
   * Changes a row with an Immer recipe, and keeps what has changed instead of the whole.
   *
   * @throws StateValueError when the row is not plain JSON afterwards.
   */
  update(key: string, recipe: (draft: never) => unknown): unknown {
    const before = this.#rows.get(key);
    if (typeof before !== 'object' || before === null) {
      const after = immer.produce({ row: before }, (draft) => {
        const given = recipe(draft.row as never);
        if (given !== undefined) draft.row = given;
      }).row;
      if (!Object.is(after, before)) this.set(key, after);
      return after;
    }
    const [after, patches] = immer.produceWithPatches(before, recipe as (draft: object) => object);
    if (patches.length === 0) return after;
    if (patches.some(({ path }: Patch) => path.length === 0)) {
      this.set(key, after);
      return after;
    }
    const kept = checkedPatches(this.#name, patches);
    if (kept.patches.length === 0) return before;
    const row = kept.areSame ? after : withPatches(before, kept.patches);
    this.#grown(key, kept.added, row);
    this.#rows.set(key, row);
    this.#note({ table: this.#name, key, patches: kept.patches });
    return row;
  }

  /** Adds to a list inside a row without copying it. The list belongs to this table: nobody else may hold it. */
  append(key: string, field: string, value: unknown): void {
    const row = this.#rows.get(key) as Record<string, unknown[]>;
    const list = row[field] ?? [];
    const { patches, added } = checkedPatches(this.#name, [{ op: 'add', path: [field, list.length], value }]);
    this.#grown(key, added, row, value);
    this.#note({ table: this.#name, key, patches });
    list.push(patches[0]?.value);
  }

  /** Sets one field of a row without copying it. The row belongs to this table: nobody else may hold it. */
  assign(key: string, field: string, value: unknown): void {
    const row = this.#rows.get(key) as Record<string, unknown>;
    const { patches, added } = checkedPatches(this.#name, [{ op: 'replace', path: [field], value }]);
    this.#grown(key, added, row, value);
    this.#note({ table: this.#name, key, patches });
    row[field] = patches[0]?.value;
  }

  /** @param coming - What is put into the row next. */
  #grown(key: string, added: number, row: unknown, coming?: unknown): void {
    const size = checkedSize(
      this.#name,
      this.#sizes.get(key),
      added,
      coming === undefined ? row : [row, coming],
    );
    this.#sizes.set(key, size);
  }

  #note(row: RowChange): void {
    const item = whole(currentItem());
    if (item === undefined) {
      throw new InvalidArgumentError(
        `Cannot remember anything in "${this.#name}": no item is being handled`,
        'change what is remembered within the call that hands an item on',
      );
    }
    item.note(row);
  }
}

/** A row whose lists may grow: what has been noted of it must not. */
function ownCopy(row: unknown): unknown {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return row;
  const copy: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(row))
    copy[field] = Array.isArray(value) ? value.slice() : value;
  return copy;
}

function textOf(offset: unknown): string {
  return typeof offset === 'string' ? offset : JSON.stringify(offset);
}
