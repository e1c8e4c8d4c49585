import type { Item, Op, Shape } from './streamShapes';

/*
 * What the operators mean, as plainly as it can be said: lists that are searched from end to end, and no state but those.
 */

interface Step {
  add(item: Item): Item[];
  end(): Item[];
  /** How many items came too late. */
  readonly late?: number;
}

const fold = (items: readonly Item[]): number => items.reduce((sum, { n }) => (sum * 3 + n) % 1009, 0);

function dedupe({ withinMs = Infinity }: Extract<Op, { op: 'dedupe' }>): Step {
  let known: Item[] = [];
  return {
    add(item) {
      known = known.filter(({ at }) => item.at - at <= withinMs);
      if (known.some(({ key }) => key === item.key)) return [];
      known.push(item);
      return [item];
    },
    end: () => [],
  };
}

function scan({ isKeyed, ttlMs = Infinity, maxKeys = Infinity }: Extract<Op, { op: 'scan' }>): Step {
  let known: { own: string; at: number; n: number }[] = [];
  return {
    add(item) {
      const own = isKeyed ? item.key : '';
      known = known.filter(({ at }) => item.at - at <= ttlMs);
      const before = known.find((one) => one.own === own) ?? { own, at: item.at, n: 0 };
      const now = { own, at: Math.max(before.at, item.at), n: (before.n * 3 + item.n) % 1009 };
      // The one whose item came last stands last.
      known = [...known.filter((one) => one.own !== own), now];
      if (known.length > maxKeys) known = known.slice(-maxKeys);
      return [{ ...item, key: isKeyed ? own : 'all', n: now.n }];
    },
    end: () => [],
  };
}

const windowItem = (key: string, from: number, to: number, items: readonly Item[]): Item => ({
  id: `${key}|${String(from)}|${String(to)}`,
  key: key === '' ? 'all' : key,
  at: to,
  n: fold(items),
});

interface Open {
  readonly key: string;
  readonly from: number;
  readonly to: number;
  readonly items: readonly Item[];
}

function counted(count: number, isKeyed: boolean): Step {
  const open = new Map<string, Item[]>();
  const close = (own: string, items: readonly Item[]): Item => {
    // The next one of this key is behind all others.
    open.delete(own);
    open.set(own, []);
    return windowItem(own, items[0]?.at ?? 0, items.at(-1)?.at ?? 0, items);
  };
  return {
    add(item) {
      const own = isKeyed ? item.key : '';
      const items = [...(open.get(own) ?? []), item];
      if (items.length === 1) open.delete(own);
      open.set(own, items);
      return items.length === count ? [close(own, items)] : [];
    },
    end: () => [...open].filter(([, items]) => items.length > 0).map(([own, items]) => close(own, items)),
  };
}

function timed({ spec, isKeyed, lateMs }: Extract<Op, { op: 'window' }>): Step {
  let open: Open[] = [];
  let latest = -Infinity;
  const step = {
    late: 0,
    add(item: Item): Item[] {
      const key = isKeyed ? item.key : '';
      const closed = latest - lateMs;
      let isIn = false;
      if ('gapMs' in spec) {
        const own = { key, from: item.at, to: item.at + spec.gapMs };
        const touching = open.filter((one) => one.key === key && own.from < one.to && own.to > one.from);
        if (own.to > closed) {
          isIn = true;
          const sessions = touching.toSorted((a, b) => a.from - b.from);
          open = open.filter((one) => !touching.includes(one));
          open.push({
            key,
            from: Math.min(own.from, ...touching.map(({ from }) => from)),
            to: Math.max(own.to, ...touching.map(({ to }) => to)),
            items: [...sessions.flatMap(({ items }) => items), item],
          });
        }
      } else if ('sizeMs' in spec) {
        const { sizeMs, everyMs = sizeMs } = spec;
        let belongs = 0;
        for (let from = -20 * everyMs; from <= item.at; from += everyMs) {
          const to = from + sizeMs;
          if (item.at >= to) continue;
          belongs += 1;
          if (to <= closed) continue;
          isIn = true;
          const known = open.find((one) => one.key === key && one.from === from);
          open = open.filter((one) => one !== known);
          open.push({ key, from, to, items: [...(known?.items ?? []), item] });
        }
        isIn ||= belongs === 0;
      }
      if (!isIn) step.late += 1;
      latest = Math.max(latest, item.at);
      return close(latest - lateMs);
    },
    end: () => close(Infinity),
  };
  const close = (upTo: number): Item[] => {
    const over = open.filter(({ to }) => to <= upTo);
    open = open.filter(({ to }) => to > upTo);
    return over
      .sort((a, b) => a.to - b.to || a.from - b.from || (a.key < b.key ? -1 : 1))
      .map(({ key, from, to, items }) => windowItem(key, from, to, items));
  };
  return step;
}

function latestOf(): Step {
  let known: Item[] = [];
  return {
    add(item) {
      known = known.filter(({ key }) => key !== item.key);
      if (item.n % 7 !== 0) known.push(item);
      return [{ id: item.id, key: known.map(({ key }) => key).join(''), at: item.at, n: fold(known) }];
    },
    end: () => [],
  };
}

function stepOf(op: Op): Step {
  switch (op.op) {
    case 'dedupe':
      return dedupe(op);
    case 'scan':
      return scan(op);
    case 'window':
      return 'count' in op.spec ? counted(op.spec.count, op.isKeyed) : timed(op);
    case 'latest':
      return latestOf();
    case 'run':
      return { add: (item) => [{ ...item, n: item.n * 2 + 1 }], end: () => [] };
  }
}

/** All pairs, in the order in which their later item came: every left item comes before every right one. */
function pairs({ left, right = [], join }: Shape): Item[] {
  const { withinMs, lateMs } = join ?? { withinMs: 0, lateMs: 0 };
  let latest = -Infinity;
  let known = [...left];
  return right.flatMap((item) => {
    const found = known.filter(({ key, at }) => key === item.key && Math.abs(at - item.at) <= withinMs);
    latest = Math.max(latest, item.at);
    known = known.filter(({ at }) => at >= latest - withinMs - lateMs);
    return found.map((one) => joinedItem(one, item));
  });
}

/** What becomes of a pair. */
export const joinedItem = (left: Item, right: Item): Item => ({
  id: `${left.id}${right.id}`,
  key: left.key,
  at: Math.max(left.at, right.at),
  n: (left.n * 5 + right.n) % 1009,
});

/** What comes out in the end, and how many items came too late at each operator. */
export function modelOf(shape: Shape): { readonly out: readonly Item[]; readonly late: readonly number[] } {
  const steps = shape.ops.map(stepOf);
  const through = (items: readonly Item[], from: number): Item[] =>
    steps.slice(from).reduce((all, step) => all.flatMap((item) => step.add(item)), [...items]);
  const out = (shape.join === undefined ? shape.left : pairs(shape)).flatMap((item) => through([item], 0));
  steps.forEach((step, index) => out.push(...step.end().flatMap((item) => through([item], index + 1))));
  return { out, late: steps.map(({ late = 0 }) => late) };
}

/** What a window becomes behind its operator. */
export const asItem = ({ key, from, to, items }: Open): Item => windowItem(key, from, to, items);

/** What the latest of all keys become. */
export const latestItem = (item: Item, all: ReadonlyMap<string, Item>): Item => ({
  id: item.id,
  key: [...all.keys()].join(''),
  at: item.at,
  n: fold([...all.values()]),
});
