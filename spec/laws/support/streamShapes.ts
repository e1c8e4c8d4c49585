import fc from 'fast-check';

/** What flows through the streams of the law. */
export interface Item {
  readonly id: string;
  readonly key: string;
  /** Milliseconds. */
  readonly at: number;
  readonly n: number;
}

/** One operator, as plain data, so that a process of its own can be told. */
export type Op =
  | { readonly op: 'dedupe'; readonly withinMs?: number }
  | { readonly op: 'scan'; readonly isKeyed: boolean; readonly ttlMs?: number; readonly maxKeys?: number }
  | {
      readonly op: 'window';
      readonly spec:
        | { readonly sizeMs: number; readonly everyMs?: number }
        | { readonly count: number }
        | { readonly gapMs: number };
      readonly isKeyed: boolean;
      readonly lateMs: number;
    }
  | { readonly op: 'latest' }
  | { readonly op: 'run'; readonly isSlow: boolean };

/** A stream: one source, or two that are joined, with operators behind. */
export interface Shape {
  readonly left: readonly Item[];
  readonly right?: readonly Item[];
  readonly join?: { readonly withinMs: number; readonly lateMs: number };
  readonly ops: readonly Op[];
  readonly inFlight: number;
}

const span = fc.integer({ min: 1, max: 40 });

const windowOp: fc.Arbitrary<Op> = fc.record({
  op: fc.constant('window' as const),
  spec: fc.oneof(
    fc.record({ sizeMs: span }),
    fc.record({ sizeMs: span, everyMs: fc.integer({ min: 4, max: 30 }) }),
    fc.record({ count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ gapMs: fc.integer({ min: 1, max: 15 }) }),
  ),
  isKeyed: fc.boolean(),
  lateMs: fc.nat({ max: 25 }),
});

const dedupeOp: fc.Arbitrary<Op> = fc.record(
  { op: fc.constant('dedupe' as const), withinMs: fc.nat({ max: 30 }) },
  { requiredKeys: ['op'] },
);

const scanOp: fc.Arbitrary<Op> = fc.record(
  {
    op: fc.constant('scan' as const),
    isKeyed: fc.boolean(),
    ttlMs: fc.nat({ max: 30 }),
    maxKeys: fc.integer({ min: 1, max: 4 }),
  },
  { requiredKeys: ['op', 'isKeyed'] },
);

const latestOp: fc.Arbitrary<Op> = fc.constant({ op: 'latest' });
const runOp: fc.Arbitrary<Op> = fc.record({ op: fc.constant('run' as const), isSlow: fc.boolean() });

/** Items whose times go on and are out of order. */
const items = (side: string, most: number): fc.Arbitrary<readonly Item[]> =>
  fc
    .array(
      fc.tuple(
        fc.constantFrom('a', 'b', 'c', 'd', 'e'),
        fc.integer({ min: -12, max: 12 }),
        fc.nat({ max: 20 }),
      ),
      { maxLength: most },
    )
    .map((all) =>
      all.map(([key, off, n], index) => ({
        id: `${side}${String(index)}`,
        key,
        at: 100 + index * 3 + off,
        n,
      })),
    );

const single: fc.Arbitrary<Shape> = fc.record({
  left: items('i', 50),
  ops: fc.array(fc.oneof(dedupeOp, scanOp, windowOp, windowOp, latestOp, runOp), {
    minLength: 1,
    maxLength: 4,
  }),
  inFlight: fc.integer({ min: 1, max: 64 }),
});

/*
 * The left source gives everything before the right one, as long as nothing is slow: so a run, which is, comes last.
 */
const pair: fc.Arbitrary<Shape> = fc
  .record({
    left: items('l', 25),
    right: items('r', 25),
    join: fc.record({ withinMs: fc.nat({ max: 30 }), lateMs: fc.nat({ max: 60 }) }),
    ops: fc.array(fc.oneof(dedupeOp, scanOp, windowOp, latestOp), { maxLength: 2 }),
    last: fc.option(runOp, { nil: undefined }),
  })
  .map(({ last, ops, ...rest }) => ({
    ...rest,
    ops: last === undefined ? ops : [...ops, last],
    inFlight: 64,
  }));

/** Any composition. */
export const arbitraryStream: fc.Arbitrary<Shape> = fc.oneof({ weight: 3, arbitrary: single }, pair);
