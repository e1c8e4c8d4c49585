import { asyncScheduler } from 'rxjs';

import type { Ingress } from '../protocol/ingress';
import { callAfter } from '../protocol/pause';
import { query, sqlText } from './askAdmin';
import type { LifeTrouble } from './stuckLives';
import { standingsOf } from './stuckLives';

/** Milliseconds between two looks at the lives of a crowd. */
const LOOK_MS = 1_000;
/** A look may take this share of the time, so that it loads no server however many lives there are. */
const SHARE = 20;

/** So many questions of one kind are under way at once. */
const AT_ONCE = 32;

/** So long an answer about the lives of a service is used. */
const STANDING_MS = 2_500;

/** What stands for a life that the server does not carry out, or not any more. */
const NONE = 'none';
/** For one that has ended within the latest looks. */
const ENDED = 'ended';
/** So much longer than to the look before, in seconds, the ends of lives are looked for. */
const LATE_S = 10;

interface Waiting {
  readonly known: string | undefined;
  readonly resolve: (stamp: string) => void;
}

/**
 * The lives of many runs that are followed from here, and those that are to begin when a run wakes. One question to the admin, about
 * once a second, is for all of them: watched one by one, each costs the server a call every few seconds although nothing happens.
 */
export class Sleepers {
  readonly #admin: Ingress;
  readonly #waiting = new Map<string, Map<string, Set<Waiting>>>();
  readonly #standings = new Map<
    string,
    { readonly until: number; readonly lives: Promise<ReadonlyMap<string, LifeTrouble>> }
  >();
  /** Ids of the invocations of the lives that the latest look has seen. */
  #ids: ReadonlyMap<string, string> = new Map();
  readonly #cancels = new Turns(AT_ONCE);
  /** For questions to workers about lives of a crowd: what the server cannot answer at once it keeps, and it keeps only so much. */
  readonly asks = new Turns(AT_ONCE);
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #lookedAt = asyncScheduler.now();

  constructor(admin: Ingress) {
    this.#admin = admin;
  }

  /**
   * Resolves with a stamp of how a life stands once that is another than `known`, at the next look where that is left out; at
   * once when the signal is aborted. Where the admin does not answer, everybody is taken to have changed.
   *
   * @param mostMs - So long at most.
   */
  changed(
    service: string,
    key: string,
    known: string | undefined,
    signal: AbortSignal,
    mostMs?: number,
  ): Promise<string> {
    if (signal.aborted) return Promise.resolve(NONE);
    return new Promise((done) => {
      const keys = this.#waiting.get(service) ?? new Map<string, Set<Waiting>>();
      this.#waiting.set(service, keys);
      const here = keys.get(key) ?? new Set<Waiting>();
      keys.set(key, here);
      const leave = (): void => {
        waiting.resolve(NONE);
      };
      const stopTimer = callAfter(mostMs ?? Infinity, () => {
        waiting.resolve(known ?? '');
      });
      const waiting: Waiting = {
        known,
        resolve: (stamp) => {
          stopTimer();
          signal.removeEventListener('abort', leave);
          here.delete(waiting);
          if (here.size === 0) keys.delete(key);
          if (keys.size === 0) this.#waiting.delete(service);
          if (this.#waiting.size === 0) this.#rest();
          done(stamp);
        },
      };
      here.add(waiting);
      signal.addEventListener('abort', leave);
      this.#schedule(LOOK_MS);
    });
  }

  /** Resolves once a life has begun, also when it has ended since; at the latest after so many milliseconds. */
  async begun(service: string, key: string, signal: AbortSignal, mostMs?: number): Promise<void> {
    await this.changed(service, key, NONE, signal, mostMs);
  }

  /** How a life stands, from an answer about all of its service that is a few seconds old at most. */
  async standing(service: string, key: string): Promise<LifeTrouble | undefined> {
    const now = asyncScheduler.now();
    let latest = this.#standings.get(service);
    if (latest === undefined || now >= latest.until)
      this.#standings.set(
        service,
        (latest = { until: now + STANDING_MS, lives: standingsOf(this.#admin, service) }),
      );
    return (await latest.lives).get(key);
  }

  /**
   * Cancels a life of a crowd without a call of its worker for that, a few at a time. False when the admin does not know it, or it
   * is over.
   */
  cancel(service: string, key: string): Promise<boolean> {
    const id = this.#ids.get(`${service} ${key}`);
    if (id === undefined) return Promise.resolve(false);
    return this.#cancels.take(() =>
      this.#admin.request(`/invocations/${id}/cancel`, { method: 'PATCH' }).then(
        () => true,
        () => false,
      ),
    );
  }

  #schedule(ms: number): void {
    if (this.#isLooking) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#look();
    }, ms);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    const begun = asyncScheduler.now();
    // Who comes while it is under way is seen by the next one.
    const asked = [...this.#waiting].flatMap(([service, keys]) =>
      [...keys].flatMap(([key, waiting]) => [...waiting].map((each) => ({ service, key, each }))),
    );
    const stamps = await this.#stamps([...new Set(asked.map(({ service }) => service))]);
    for (const { service, key, each } of asked) {
      const stamp = stamps?.get(`${service} ${key}`) ?? (stamps === undefined ? 'not known' : NONE);
      if (stamp !== each.known) each.resolve(stamp);
    }
    this.#isLooking = false;
    if (this.#waiting.size > 0) this.#schedule(Math.max(LOOK_MS, SHARE * (asyncScheduler.now() - begun)));
  }

  /** How the lives of these services stand; undefined when the admin does not say. */
  async #stamps(services: readonly string[]): Promise<ReadonlyMap<string, string> | undefined> {
    if (services.length === 0) return new Map();
    const names = services.map((service) => `'${sqlText(service)}'`).join(', ');
    const now = asyncScheduler.now();
    const lately = `now() - interval '${String(Math.ceil((now - this.#lookedAt) / 1_000) + LATE_S)} seconds'`;
    try {
      const rows = await query(
        this.#admin,
        `select id, target_service_name, target_service_key, status, journal_size, modified_at from sys_invocation where target_service_name in (${names}) and target_handler_name = 'run' and (status <> 'completed' or completed_at > ${lately})`,
      );
      this.#lookedAt = now;
      const nameIn = (row: (typeof rows)[number]): string =>
        `${String(row['target_service_name'])} ${String(row['target_service_key'])}`;
      const isOpen = (row: (typeof rows)[number]): boolean => row['status'] !== 'completed';
      this.#ids = new Map(rows.filter(isOpen).map((row) => [nameIn(row), String(row['id'])]));
      return new Map(
        rows.map((row) => [
          nameIn(row),
          isOpen(row)
            ? `${String(row['status'])} ${String(row['journal_size'])} ${String(row['modified_at'])}`
            : ENDED,
        ]),
      );
    } catch {
      return undefined;
    }
  }
}

/** Lets so many do something at once, in the order in which they came. */
export class Turns {
  readonly #most: number;
  readonly #waiting: (() => void)[] = [];
  #underWay = 0;

  constructor(most: number) {
    this.#most = most;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.#underWay < this.#most) this.#underWay += 1;
    else
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      // Whoever is next takes the place over.
      if (next === undefined) this.#underWay -= 1;
      else next();
    }
  }
}
