import * as fc from 'fast-check';
import * as t from 'io-ts';
import type { SchedulerLike } from 'rxjs';
import { asyncScheduler, map, of, switchMap, throwError, timer } from 'rxjs';

import type { Agent, RunState, StepContext, Transition, Wire } from '../../../index';
import {
  agent,
  approval,
  chain,
  each,
  fallback,
  firstOf,
  loop,
  saga,
  withPolicy,
  workflow,
} from '../../../index';
import { openFailures } from '../../../lib/model/openFailures';

type Any = Agent<unknown, unknown>;

/** What is booked and undone, as data. */
export type Booking =
  | {
      readonly kind: 'book';
      readonly ms: number;
      readonly isCached: boolean;
      readonly undo: 'at once' | 'later' | 'twice';
    }
  | { readonly kind: 'fail'; readonly ms: number; readonly times: number }
  | { readonly kind: 'ask' }
  | { readonly kind: 'saga' | 'each' | 'loop' | 'retried' | 'cached'; readonly inner: Booking }
  | { readonly kind: 'limited'; readonly inner: Booking; readonly ms: number }
  | { readonly kind: 'chain' | 'both' | 'fallback' | 'race'; readonly parts: readonly [Booking, Booking] }
  /** A function that asks for a booking, and then for another one. */
  | { readonly kind: 'function'; readonly parts: readonly [Booking, Booking] };

const ms = fc.constantFrom(0, 0, 1, 2, 5);
const book = fc.record({
  kind: fc.constant('book' as const),
  ms,
  isCached: fc.boolean(),
  undo: fc.constantFrom('at once' as const, 'later' as const, 'twice' as const),
});
const leaf: fc.Arbitrary<Booking> = fc.oneof(
  { weight: 6, arbitrary: book },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('fail' as const), ms, times: fc.constantFrom(1, 99) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'ask' } as const) },
);

export const arbitraryBooking: fc.Arbitrary<Booking> = fc.letrec<{ shape: Booking }>((tie) => {
  const inner = tie('shape');
  const parts = fc.tuple(inner, inner);
  return {
    shape: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf,
      { weight: 3, arbitrary: fc.record({ kind: fc.constant('saga' as const), inner }) },
      {
        weight: 2,
        arbitrary: fc.record({
          kind: fc.constantFrom('each' as const, 'loop' as const, 'retried' as const, 'cached' as const),
          inner,
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('limited' as const), inner, ms: fc.nat(6) }) },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constantFrom('chain' as const, 'both' as const, 'fallback' as const, 'race' as const),
          parts,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('function' as const), parts: fc.tuple(book, book) }),
      },
    ),
  };
}).shape;

/** One booking outside: whoever called under one key meant one. */
interface Entry {
  readonly runId: string;
  readonly path: string;
  /** Whether a run has it on record as done: until then a call may be made again. */
  isRecorded: boolean;
  /** The keys under which it was undone. */
  readonly undone: Set<string>;
  /** Whether that is on record, too. */
  isUndoneOnRecord: boolean;
}

/** The world outside: what is booked there, and what was wrong with the calls. */
export class Ledger {
  readonly entries = new Map<string, Entry>();
  readonly wrong: string[] = [];
  scheduler: SchedulerLike = asyncScheduler;
  /** Called after each change of the world: the process may die there. */
  changed: () => void = () => undefined;
  readonly #latest = new Map<string, string>();
  readonly #failures = new Map<string, number>();
  readonly #undoings = new Set<string>();

  readonly book = ({ idempotencyKey: key, path, runId }: StepContext): { readonly key: string } => {
    const known = this.entries.get(key);
    if (known?.isRecorded === true) this.wrong.push(`booked again: ${key}`);
    if (known === undefined)
      this.entries.set(key, { runId, path, isRecorded: false, undone: new Set(), isUndoneOnRecord: false });
    this.#latest.set(`${runId} ${path}`, key);
    this.changed();
    return { key };
  };

  readonly undo = (output: unknown, { idempotencyKey, runId }: StepContext): void => {
    const { key } = output as { readonly key: string };
    const entry = this.entries.get(key);
    if (entry === undefined) this.wrong.push(`undone, and never booked: ${key}`);
    else {
      if (entry.runId !== runId) this.wrong.push(`undone by another run: ${key} by ${runId}`);
      if (!entry.isRecorded) this.wrong.push(`undone before it was done: ${key}`);
      if (entry.isUndoneOnRecord) this.wrong.push(`undone again: ${key}`);
      entry.undone.add(idempotencyKey);
      if (entry.undone.size > 1) this.wrong.push(`undone under two keys: ${[...entry.undone].join(' ')}`);
    }
    this.changed();
  };

  /** Whether this call fails: it does so a number of times. */
  fails({ idempotencyKey }: StepContext, times: number): boolean {
    const count = (this.#failures.get(idempotencyKey) ?? 0) + 1;
    this.#failures.set(idempotencyKey, count);
    return count <= times;
  }

  /** Fails the first of the attempts to undo something. */
  stumbles({ idempotencyKey }: StepContext): boolean {
    if (this.#undoings.has(idempotencyKey)) return false;
    this.#undoings.add(idempotencyKey);
    return true;
  }

  /** Hears what a run says about itself. */
  told({ event, state }: Transition): void {
    if (event.type !== 'step.completed') return;
    const { runId, path } = event;
    if (event.agent.startsWith('undo book')) {
      const row = [...state.steps].find(({ stepId }) => stepId === path);
      const of = [...this.entries.values()].filter((entry) => entry.runId === runId && entry.undone.size > 0);
      for (const entry of of)
        if (row !== undefined && undoes(path, entry.path)) entry.isUndoneOnRecord = true;
      return;
    }
    const key = (event.output as { readonly key?: string } | null | undefined)?.key;
    const entry = key === undefined ? undefined : this.entries.get(key);
    if (event.cached === true && entry !== undefined && entry.undone.size > 0 && entry.runId !== runId)
      this.wrong.push(`taken from the cache though undone: ${String(key)} by ${runId} at ${path}`);
    if (event.agent.startsWith('book') && event.cached !== true) {
      const latest = this.entries.get(this.#latest.get(`${runId} ${path}`) ?? '');
      if (latest !== undefined) latest.isRecorded = true;
    }
  }

  /**
   * What does not stand as it should, now that nothing of a run goes on any more.
   *
   * @param canGoOn - Whether the run may still be resumed, which tries again what could not be undone.
   */
  faults(state: RunState, rootIsSaga: boolean, canGoOn = false): readonly string[] {
    const faults: string[] = [];
    for (const [key, { runId, path, isRecorded, undone }] of this.entries) {
      if (runId !== state.runId) continue;
      const stands = hasToStand(state, path, rootIsSaga);
      // What was under way when the process died, and was not called again, nobody knows of.
      if (!isRecorded && undone.size === 0) continue;
      if (undone.size === 0 && isGivenUp(state, path, canGoOn)) continue;
      if (stands === undone.size > 0) faults.push(`${key} ${stands ? 'was undone' : 'was not undone'}`);
    }
    return faults;
  }
}

function undoes(undoPath: string, path: string): boolean {
  const [whole, above = '', quoted = ''] = /^(?:(.*)\/)?undo\[(".*")\]$/.exec(undoPath) ?? [];
  if (whole === undefined) return false;
  const below = JSON.parse(quoted) as string;
  return path === (above === '' ? below : `${above}/${below}`);
}

/**
 * The process has died so often in what undoes it that this was taken for poison, which is on record. A resume tries it again, except
 * where the run has gone on without the saga: what a race, a fallback or a time limit left behind is a fact then.
 */
function isGivenUp({ steps }: RunState, path: string, canGoOn: boolean): boolean {
  const row = [...steps].find(({ stepId, error }) => error?.code === 'POISON_STEP' && undoes(stepId, path));
  return row?.status === 'FAILED' && (canGoOn || !openFailures(steps).includes(row));
}

/**
 * A booking stands where every saga around it has completed, and none of them completed after another candidate of its race: also
 * where that race has lost one around it in the same turn.
 */
function hasToStand({ steps, status }: RunState, path: string, rootIsSaga: boolean): boolean {
  if (rootIsSaga && status !== 'COMPLETED') return false;
  return [...steps]
    .filter(({ stepId, agent: name }) => name.startsWith('saga') && path.startsWith(`${stepId}/`))
    .every(({ stepId, status: is, seq = 0 }) => {
      const above = stepId.slice(0, Math.max(0, stepId.lastIndexOf('/')));
      // A round or an item is no candidate.
      const race = above === '' || stepId.includes('[', above.length) ? undefined : steps.get(above);
      if (is !== 'COMPLETED' || race?.agent.startsWith('race') !== true) return is === 'COMPLETED';
      return [...steps].every(
        (other) =>
          !other.stepId.startsWith(`${above}/`) ||
          // A round of a candidate is none itself.
          /[/[]/.test(other.stepId.slice(above.length + 1)) ||
          other.status !== 'COMPLETED' ||
          (other.seq ?? 0) >= seq,
      );
    });
}

/** Makes the agents; the same names every time, so that a run can go on with them. */
export function agentsOf(
  shape: Booking,
  ledger: Ledger,
): { readonly work: Any; readonly books: readonly Any[] } {
  let count = 0;
  const next = (kind: string): string => `${kind}${String((count += 1))}`;
  const after = <T>(delayMs: number, work: () => T) =>
    delayMs === 0 ? of(undefined).pipe(map(work)) : timer(delayMs, ledger.scheduler).pipe(map(work));
  let books: Any[] = [];

  const make = (of_: Booking): Any => {
    switch (of_.kind) {
      case 'book': {
        const { undo, isCached } = of_;
        const self = agent(
          next('book'),
          (_: unknown, context: StepContext) => after(of_.ms, () => ledger.book(context)),
          {
            retry: 1,
            ...(isCached && { cache: { key: () => 'same' } }),
            compensate: (output, context) =>
              undo === 'twice' && ledger.stumbles(context)
                ? throwError(() => new Error('no connection'))
                : after(undo === 'later' ? 2 : 0, () => {
                    ledger.undo(output, context);
                  }),
          },
        ) as Any;
        books.push(self);
        return self;
      }
      case 'fail':
        return agent(next('fail'), (input: unknown, context: StepContext) =>
          after(of_.ms, () => {
            if (ledger.fails(context, of_.times)) throw new Error('fails');
            return input;
          }),
        );
      case 'ask':
        return approval(next('ask'), t.string);
      case 'saga': {
        const others = books;
        books = [];
        const name = next('saga');
        const inner = make(of_.inner);
        const self = saga(name, inner, { dynamic: books });
        books = [...others, ...books];
        return self;
      }
      case 'each': {
        const name = next('each');
        const list = agent(next('list'), () => [1, 2]) as Any;
        return chain(next('items'), list, each(name, make(of_.inner)) as unknown as Any);
      }
      case 'loop':
        return loop(next('loop'), make(of_.inner), { until: (_, round) => round >= 1, max: 3 });
      case 'retried': {
        const part = make(of_.inner);
        return part.name.startsWith('saga') ? part : withPolicy(part, { retry: 1 });
      }
      case 'cached':
        return withPolicy(make(of_.inner), { cache: { key: () => 'same' } });
      case 'limited': {
        const part = make(of_.inner);
        return workflow(next('limited'), (input: Wire<unknown>, step) =>
          step('part', part, input, { timeoutMs: of_.ms + 1 }),
        );
      }
      case 'chain':
        return chain(next('chain'), make(of_.parts[0]), make(of_.parts[1]));
      case 'both': {
        const [a, b] = [make(of_.parts[0]), make(of_.parts[1])];
        return workflow(next('both'), (input: Wire<unknown>, step) => {
          const one = step('a', a, input);
          step('b', b, input);
          return one;
        });
      }
      case 'fallback':
        return fallback<unknown, unknown, unknown>(next('fallback'), make(of_.parts[0]), make(of_.parts[1]));
      case 'race':
        return firstOf(next('race'), make(of_.parts[0]), make(of_.parts[1]));
      case 'function': {
        const [a, b] = [make(of_.parts[0]), make(of_.parts[1])];
        return agent(next('function'), (input: unknown, { step }: StepContext) =>
          step('a', a, input).pipe(switchMap((one) => step('b', b, one))),
        );
      }
    }
  };
  const work = make(shape);
  return { work, books };
}
