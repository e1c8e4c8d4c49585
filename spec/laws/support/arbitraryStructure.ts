import { createHash } from 'node:crypto';

import fc from 'fast-check';
import * as t from 'io-ts';
import { firstValueFrom } from 'rxjs';

import type * as library from '../../../index';
import type { Agent, Live, StepContext, StepPolicy, Wire } from '../../../index';

type Any = Agent<unknown, unknown>;
/** Adds a step of which only the law knows the types. */
type LooseStep = (id: string, work: Any, source: unknown, policy: object) => Wire<unknown>;

/** The library as a law uses it: as it is, or with a bug in it. */
export type Library = typeof library;

/** A structure of agents as data: at most three levels of every combinator there is. */
export type Shape =
  | Leaf
  | { readonly kind: 'ask'; readonly isCoded: boolean }
  | { readonly kind: 'sleep' }
  | {
      readonly kind: 'chain' | 'loop' | 'saga' | 'undoable' | 'branch' | 'beside';
      readonly parts: readonly Shape[];
    }
  | {
      readonly kind: 'each' | 'collect';
      readonly parts: readonly Shape[];
      readonly atOnce: number;
      readonly isKeyed: boolean;
    }
  | {
      readonly kind: 'fallback' | 'steps' | 'caught' | 'askInTime';
      readonly parts: readonly [Shape, Shape];
      readonly isCoded: boolean;
    }
  | { readonly kind: 'policy'; readonly part: Shape; readonly policy: PolicyName }
  | { readonly kind: 'firstOf'; readonly leaves: readonly Leaf[] }
  | {
      readonly kind: 'dag';
      readonly parts: readonly Shape[];
      readonly edges: readonly number[];
      readonly isCoded: boolean;
    }
  | { readonly kind: 'live'; readonly leaves: readonly [Leaf, Leaf] }
  | { readonly kind: 'quorum'; readonly leaves: readonly Leaf[]; readonly count: number };

export interface Leaf {
  readonly kind: 'leaf';
  /** How many turns it takes. */
  readonly ticks: number;
  readonly isCoded: boolean;
  readonly policy: PolicyName;
}

export type PolicyName = keyof typeof policies;

const policies = {
  none: () => ({}),
  retry: () => ({ retry: 1 }),
  time: () => ({ timeoutMs: 600_000 }),
  room: () => ({ limit: { concurrency: 1 } }),
  cache: () => ({ cache: {} }),
  critical: () => ({ critical: true }),
} satisfies Record<string, () => StepPolicy>;

const names = Object.keys(policies) as PolicyName[];

const leafOf = (...ticks: readonly number[]): fc.Arbitrary<Leaf> =>
  fc.record({
    kind: fc.constant('leaf' as const),
    ticks: fc.constantFrom(...ticks),
    isCoded: fc.boolean(),
    policy: fc.constantFrom('none' as const, 'none' as const, 'none' as const, ...names),
  });
const leaf = leafOf(0, 0, 1, 4);

const quiet: fc.Arbitrary<Shape> = fc.oneof(
  { weight: 10, arbitrary: leaf },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('ask' as const), isCoded: fc.boolean() }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'sleep' as const }) },
);

const fewLeaves = (minLength: number, maxLength: number): fc.Arbitrary<readonly Leaf[]> =>
  fc.array(leaf, { minLength, maxLength });

function level(inner: fc.Arbitrary<Shape>): fc.Arbitrary<Shape> {
  const some = (minLength: number, maxLength: number): fc.Arbitrary<readonly Shape[]> =>
    fc.array(inner, { minLength, maxLength });
  return fc.oneof(
    { weight: 1, arbitrary: quiet },
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constantFrom(
          'chain' as const,
          'loop' as const,
          'branch' as const,
          'saga' as const,
          'undoable' as const,
        ),
        parts: some(1, 3),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom('each' as const, 'collect' as const),
        parts: some(1, 2),
        atOnce: fc.constantFrom(1, 2, 16),
        isKeyed: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constantFrom('fallback' as const, 'steps' as const, 'caught' as const, 'askInTime' as const),
        parts: fc.tuple(inner, inner),
        isCoded: fc.boolean(),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('policy' as const),
        part: inner,
        policy: fc.constantFrom(...names),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('firstOf' as const), leaves: fewLeaves(2, 3) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('dag' as const),
        parts: some(2, 4),
        edges: fc.array(fc.nat({ max: 255 }), { minLength: 4, maxLength: 4 }),
        isCoded: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('live' as const), leaves: fc.tuple(leaf, leaf) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('quorum' as const),
        leaves: fewLeaves(3, 4),
        count: fc.integer({ min: 1, max: 3 }),
      }),
    },
  );
}

export const arbitraryShape: fc.Arbitrary<Shape> = level(level(level(quiet)));

/** Three or four structures of two levels beside one another, each behind a leaf: what fails at once fails in several of them. */
export const arbitrarySiblings: fc.Arbitrary<Shape> = fc.record({
  kind: fc.constant('beside' as const),
  parts: fc.array(
    fc.tuple(leafOf(0), level(level(quiet))).map((parts): Shape => ({ kind: 'chain', parts })),
    { minLength: 3, maxLength: 4 },
  ),
});

/** Whether a shape has one of this kind in it. */
export function hasKind(shape: Shape, kind: Shape['kind']): boolean {
  if (shape.kind === kind) return true;
  if (shape.kind === 'policy') return hasKind(shape.part, kind);
  return 'parts' in shape && shape.parts.some((part) => hasKind(part, kind));
}

/**
 * The same without why something failed: where several failures reach one step, which of them it is told depends on which came
 * first.
 */
export function withoutReasons(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(withoutReasons);
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      key === 'left' || key === 'error' ? 'reason' : withoutReasons(part),
    ]),
  );
}

const textOf = (value: unknown): string => JSON.stringify([withoutReasons(value)]);

/** A moment that depends on a text alone. */
function momentOf(text: string): Date {
  return new Date(parseInt(createHash('sha256').update(text).digest('hex').slice(0, 8), 16));
}

/** What somebody answers who is asked for this, as JSON: it depends on nothing else. */
export const answerTo = (request: unknown): string => momentOf(`answer ${textOf(request)}`).toISOString();

/** What a leaf does when it is called. */
export interface World {
  /**
   * @param canFail - Whether it stands where a failure can be made up for: not in something that is undone.
   * @throws when it is to fail.
   */
  called(context: StepContext, canFail: boolean): void;
}

/** Codecs whose forms are told apart by everybody who reads the wrong one. */
const day = new t.Type<Date, string>(
  'day',
  (value): value is Date => value instanceof Date,
  (value, context) =>
    typeof value === 'string' && value.endsWith('Z') ? t.success(new Date(value)) : t.failure(value, context),
  (date) => date.toISOString(),
) as t.Type<unknown, unknown>;

const word = t.string as t.Type<unknown, unknown>;

const quoted = new t.Type<string, string>(
  'quoted',
  (value): value is string => typeof value === 'string',
  (value, context) =>
    typeof value === 'string' && value.startsWith('<')
      ? t.success(value.slice(1))
      : t.failure(value, context),
  (text) => `<${text}`,
) as t.Type<unknown, unknown>;

const boxed = new t.Type<unknown, { readonly boxed: unknown }>(
  'boxed',
  (_): _ is unknown => true,
  (value, context) =>
    typeof value === 'object' && value !== null && 'boxed' in value
      ? t.success(unpacked(value.boxed))
      : t.failure(value, context),
  (value) => ({ boxed: packed(value) }),
) as t.Type<unknown, unknown>;

function packed(value: unknown): unknown {
  if (value instanceof Date) return { $day: value.toISOString() };
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(packed);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, packed(part)]));
}

function unpacked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(unpacked);
  if ('$day' in value) return new Date(value.$day as string);
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, unpacked(part)]));
}

/** Composites that go on with something else where a part has failed. */
const CONTAINING = ['collect', 'fallback', 'caught', 'firstOf', 'quorum', 'dag'] as const;

/** What policies are given to, however many. */
function within(shape: Shape): Shape {
  return shape.kind === 'policy' ? within(shape.part) : shape;
}

/** Makes the agents of a shape; the same names every time, so that a run can go on with them. */
export function agentsOf(lib: Library, shape: Shape, suffix: string, world: World): Any {
  return new Maker(lib, suffix, world, hasKind(shape, 'undoable')).make(shape, true);
}

class Maker {
  readonly #lib: Library;
  readonly #suffix: string;
  readonly #hasUndoable: boolean;
  readonly #world: World;
  #count = 0;

  constructor(lib: Library, suffix: string, world: World, hasUndoable: boolean) {
    this.#hasUndoable = hasUndoable;
    this.#lib = lib;
    this.#suffix = suffix;
    this.#world = world;
  }

  #next(kind: string): string {
    const number = String((this.#count += 1));
    return kind === 'leaf' ? `leaf${number} ${this.#suffix}` : `${kind}${number}`;
  }

  /** @param canFail - Whether its leaves may: not where they are undone. */
  make(of: Shape, canFail: boolean): Any {
    const lib = this.#lib;
    const inner = (part: Shape): Any => this.make(part, canFail);
    const line = (parts: readonly Shape[], mayFail = canFail): Any =>
      lib.chain(this.#next('chain'), ...parts.map((part) => this.make(part, mayFail)));
    switch (of.kind) {
      case 'leaf':
        return this.#leaf(of, canFail);
      case 'ask':
        return this.#asked(of, {});
      case 'sleep':
        return this.#afterText(lib.sleep(this.#next('sleep'), () => 1));
      case 'chain':
        return line(of.parts);
      case 'saga':
        // One that fails is taken for the end of the run, so that others undo.
        return lib.saga(this.#next('saga'), line(of.parts, canFail && !this.#hasUndoable));
      case 'undoable':
        return lib.saga(this.#next('undoable'), line(of.parts, false));
      case 'loop':
        return lib.loop(this.#next('loop'), line(of.parts), { until: (_, round) => round >= 1, max: 3 });
      case 'each':
      case 'collect':
        return this.#each(of, line(of.parts));
      case 'branch': {
        const cases = of.parts.map((part, index) => [`case${String(index)}`, inner(part)] as const);
        const id = `case${String(cases.length - 1)}`;
        return lib.branch(this.#next('branch'), () => id, Object.fromEntries(cases));
      }
      case 'fallback':
        return lib.fallback(this.#next('fallback'), inner(of.parts[0]), inner(of.parts[1]));
      case 'askInTime':
        return this.#asked(of, {
          timeoutMs: 0,
          onTimeout: lib.chain(this.#next('chain'), inner(of.parts[0]), inner(of.parts[1])),
        });
      case 'policy':
        return this.#withPolicy(of, inner(of.part));
      case 'steps':
      case 'caught':
        return this.#function(of, inner(of.parts[0]), inner(of.parts[1]));
      case 'firstOf':
        return lib.firstOf(this.#next('firstOf'), ...this.#alike(of.leaves, canFail));
      case 'quorum': {
        const members = this.#alike(of.leaves, canFail);
        return lib.workflow(this.#next('quorum'), (input: Wire<unknown>, step) => {
          const wires = members.map((member, index) => step(`m${String(index)}`, member, input));
          return step('end', (all: readonly unknown[]) => textOf(all), lib.quorum(of.count, wires));
        });
      }
      case 'live':
        return this.#live(of.leaves, canFail);
      case 'beside': {
        const parts = of.parts.map(inner);
        return this.#workflow('beside', (input, step) =>
          Object.fromEntries(
            parts.map((part, index) => [`p${String(index)}`, step(`p${String(index)}`, part, input, {})]),
          ),
        );
      }
      case 'dag':
        return this.#dag(of, of.parts.map(inner));
    }
  }

  /** @param word - Given instead of something made from the input, where it must not matter who gives it. */
  #leaf({ ticks, isCoded, policy }: Leaf, canFail: boolean, word?: string): Any {
    const name = this.#next('leaf');
    const given = (input: unknown): unknown => {
      if (word !== undefined) return word;
      const moment = momentOf(`${name}${textOf(input)}`);
      return isCoded ? moment : moment.toISOString();
    };
    const work = (input: unknown, context: StepContext): unknown => {
      if (ticks === 0) {
        this.#world.called(context, canFail);
        return given(input);
      }
      return (async () => {
        await turns(ticks);
        if (context.signal.aborted) return undefined;
        this.#world.called(context, canFail);
        return given(input);
      })();
    };
    return this.#lib.agent<unknown, unknown>(name, work, {
      ...policies[policy](),
      ...(isCoded && { output: word === undefined ? day : quoted }),
      ...(!canFail && { compensate: () => undefined }),
    });
  }

  #asked({ isCoded }: { readonly isCoded: boolean }, options: object): Any {
    return this.#afterText(this.#lib.approval(this.#next('ask'), isCoded ? day : word, options));
  }

  /** For what passes its input on, or asks for it: that must be plain. */
  #afterText(agent: Any): Any {
    const text = this.#lib.agent(this.#next('text'), textOf) as Any;
    return this.#lib.chain(this.#next('chain'), text, agent);
  }

  #withPolicy({ part, policy }: Shape & { readonly kind: 'policy' }, agent: Any): Any {
    const { kind } = within(part);
    const cannotRetry = policy === 'retry' && (kind === 'saga' || kind === 'undoable');
    // What a composite gave that made up for a failure stays in the cache.
    const cannotKeep = policy === 'cache' && CONTAINING.some((kind) => hasKind(part, kind));
    return this.#lib.withPolicy(agent, cannotRetry || cannotKeep ? {} : policies[policy]());
  }

  #each(of: Shape & { readonly kind: 'each' | 'collect' }, inner: Any): Any {
    const lib = this.#lib;
    const list = lib.agent(this.#next('list'), (input: unknown) => [input, 1, 2].map((item) => textOf(item)));
    const options = {
      concurrency: of.atOnce,
      ...(of.isKeyed && { key: (_: unknown, index: number) => `k${String(index)}` }),
    };
    const name = this.#next('each');
    const all =
      of.kind === 'each'
        ? lib.each(name, inner, options)
        : lib.each(name, inner, { ...options, onError: 'collect' });
    return lib.chain(this.#next('chain'), list as Any, all as Any);
  }

  #function(
    of: Shape & { readonly kind: 'steps' | 'caught' | 'fallback' | 'askInTime' },
    a: Any,
    b: Any,
  ): Any {
    const work = {
      both: async (input: unknown, { step }: StepContext) =>
        textOf(await Promise.all([firstValueFrom(step('a', a, input)), firstValueFrom(step('b', b, input))])),
      caught: async (input: unknown, { step }: StepContext) => {
        const first = await firstValueFrom(step('a', a, input)).catch((error: unknown) => {
          if ((error as { readonly code?: string }).code === 'ATTEMPT_OVER') throw error;
          return 'caught';
        });
        return textOf([first, await firstValueFrom(step('b', b, input))]);
      },
    };
    return this.#lib.agent<unknown, unknown>(
      this.#next(of.kind),
      of.kind === 'steps' ? work.both : work.caught,
      of.isCoded ? { output: quoted } : {},
    );
  }

  /** A step that reads the partial results of another one while they come. */
  #live([source, reader]: readonly [Leaf, Leaf], canFail: boolean): Any {
    const world = this.#world;
    const words = this.#lib.agent(this.#next('leaf'), async function* (input: unknown, context) {
      await turns(source.ticks);
      if (context.signal.aborted) return;
      world.called(context, canFail);
      for (const word of [1, 2]) yield `${String(word)} ${textOf(input)}`;
    });
    const last = this.#lib.agent(this.#next('leaf'), async (some: Live<string>, context) => {
      let latest = '';
      for await (const word of some) latest = word;
      await turns(reader.ticks);
      if (context.signal.aborted) return '';
      world.called(context, canFail);
      return latest;
    });
    const { live } = this.#lib as { readonly live: (wire: unknown) => unknown };
    const build = (input: Wire<unknown>, step: LooseStep): object =>
      step('last', last as Any, live(step('words', words, input, {})), {});
    return this.#workflow('live', build);
  }

  #workflow(
    kind: string,
    build: (input: Wire<unknown>, step: LooseStep) => object,
    options: object = {},
  ): Any {
    const workflow = this.#lib.workflow as unknown as (...given: readonly unknown[]) => Any;
    return workflow(this.#next(kind), build, options);
  }

  /** Leaves that all give the same, which they save in forms of their own. */
  #alike(leaves: readonly Leaf[], canFail: boolean): readonly Any[] {
    const word = `word ${String(this.#count + 1)}`;
    return leaves.map((one) => this.#leaf(one, canFail, word));
  }

  /** Each step reads the input, an earlier step, two of them, or one through `settled`, as the number says; some are left out. */
  #dag({ edges, isCoded }: Shape & { readonly kind: 'dag' }, parts: readonly Any[]): Any {
    const lib = this.#lib;
    const { settled, pick } = lib;
    const build = (input: Wire<unknown>, step: LooseStep): object => {
      const wires: Wire<unknown>[] = [];
      parts.forEach((part, index) => {
        const edge = edges[index] ?? 0;
        const [one, other] = [
          wires[(edge >> 2) % Math.max(1, index)],
          wires[(edge >> 4) % Math.max(1, index)],
        ];
        const policy = edge >= 224 ? { when: () => edge >= 240, otherwise: 'left out' } : {};
        const id = `s${String(index)}`;
        wires.push(
          one === undefined || other === undefined || edge % 4 === 0
            ? step(id, part, input, policy)
            : edge % 4 === 1
              ? step(id, part, pick(one, textOf), policy)
              : edge % 4 === 2
                ? step(id, part, { one, other }, policy)
                : step(id, part, settled([one]), policy),
        );
      });
      const last = wires.at(-1) as Wire<unknown>;
      // Contains everything but the last.
      if (wires.length !== 3) return last;
      return { last, all: step('all', lib.agent('all', textOf), settled([...wires]), {}) };
    };
    return this.#workflow('dag', build, isCoded ? { output: boxed } : {});
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}
