import type { Observable, OperatorFunction } from 'rxjs';
import { map, pipe, tap } from 'rxjs';

import type { Store } from '../../../index';
import {
  agent,
  deduped,
  fromOffset,
  joined,
  latestBy,
  outputs,
  runEach,
  scanned,
  windowed,
} from '../../../index';
import type { StreamClaim } from '../../../lib/store/streamRest';
import { asItem, joinedItem, latestItem } from './streamModel';
import type { Item, Op, Shape } from './streamShapes';

/** What somebody outside sees of a life. */
export interface Watcher {
  /** Something happens: may end the life by throwing, or by killing the process. */
  beat(): void;
  /** A window was emitted. */
  window(id: string, content: string): void;
  /** A run has ended: which one, and with what. */
  done(runId: string, output: Item): void;
  /** Something came out at the end. */
  out(item: Item): void;
}

/** A store in which something happens before and after each piece of a stream is kept. */
export function mortalStore(
  store: Store,
  beat: () => void,
  around = (claim: StreamClaim): StreamClaim => claim,
): Store {
  const mortal = (claim: StreamClaim): StreamClaim => ({
    saved: claim.saved,
    commit(change) {
      beat();
      const durable = claim.commit(change);
      beat();
      return durable;
    },
    release: () => claim.release(),
  });
  const claim = (name: string): StreamClaim | Promise<StreamClaim> => {
    const claimed = store.streams.claim(name);
    return claimed instanceof Promise
      ? claimed.then((later) => mortal(around(later)))
      : mortal(around(claimed));
  };
  return { ...store, streams: { ...store.streams, claim } };
}

function operatorOf(op: Op, name: string, store: Store, watch: Watcher): OperatorFunction<Item, Item> {
  const at = (item: Item): number => item.at;
  const key = (item: Item): string => item.key;
  switch (op.op) {
    case 'dedupe':
      return deduped(name, key, { at, ...(op.withinMs !== undefined && { withinMs: op.withinMs }) });
    case 'scan': {
      const recipe = (sum: Item, item: Item): void => {
        const known = sum as { -readonly [K in keyof Item]: Item[K] };
        known.n = (sum.n * 3 + item.n) % 1009;
        Object.assign(known, { id: item.id, at: item.at });
      };
      const none: Item = { id: '', key: 'all', at: 0, n: 0 };
      const limits = {
        at,
        ...(op.ttlMs !== undefined && { ttlMs: op.ttlMs }),
        ...(op.maxKeys !== undefined && { maxKeys: op.maxKeys }),
      };
      if (!op.isKeyed) return scanned(name, recipe, none, limits);
      return pipe(
        scanned(name, recipe, none, { ...limits, key }),
        map(([own, sum]) => ({ ...sum, key: own })),
      );
    }
    case 'window':
      return pipe(
        windowed<Item>(name, op.spec, { at, lateMs: op.lateMs, ...(op.isKeyed && { key }) }),
        tap(({ id, items }) => {
          watch.window(id, JSON.stringify(items));
        }),
        map(asItem),
      );
    case 'latest':
      return (source) => {
        let item: Item | undefined;
        return source.pipe(
          tap((next) => (item = next)),
          latestBy(name, key, { isGone: ({ n }) => n % 7 === 0 }),
          map((all) => latestItem(item as Item, all)),
        );
      };
    case 'run': {
      const work = agent(name, (item: Item) => {
        watch.beat();
        const doubled: Item = { ...item, n: item.n * 2 + 1 };
        return op.isSlow ? Promise.resolve().then(() => doubled) : doubled;
      });
      return pipe(
        runEach(work, { store, concurrency: 1, keep: 'all' }),
        tap(({ event, state }) => {
          if (event.type === 'run.completed') watch.done(event.runId, state.output as Item);
        }),
        outputs(),
      );
    }
  }
}

/** The stream of a shape, told to a watcher at every turn. */
export function streamOf(shape: Shape, store: Store, watch: Watcher): Observable<Item> {
  const beat = tap<Item>(() => {
    watch.beat();
  });
  const source = (name: string, items: readonly Item[]): Observable<Item> =>
    fromOffset(
      function* (offset: number | undefined) {
        for (const [index, value] of items.entries()) {
          if (index < (offset ?? 0)) continue;
          watch.beat();
          yield { offset: index + 1, value };
        }
      },
      { name, store, inFlight: shape.inFlight },
    );
  let items$: Observable<Item>;
  if (shape.join === undefined) items$ = source('one', shape.left);
  else {
    const key = ({ key: own }: Item): string => own;
    const at = (item: Item): number => item.at;
    items$ = joined(source('left', shape.left), source('right', shape.right ?? []), {
      name: 'one',
      store,
      key: { left: key, right: key },
      at: { left: at, right: at },
      ...shape.join,
    }).pipe(map(([left, right]) => joinedItem(left, right)));
  }
  for (const [index, op] of shape.ops.entries()) {
    items$ = items$.pipe(beat, operatorOf(op, `op${String(index)}`, store, watch), beat);
  }
  return items$.pipe(
    tap((item) => {
      watch.out(item);
    }),
  );
}
