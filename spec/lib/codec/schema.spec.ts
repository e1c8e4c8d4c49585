import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, of } from 'rxjs';

import {
  agent,
  approval,
  chain,
  each,
  jsonSchemaOf,
  memoryStore,
  outputs,
  resume,
  run,
  saga,
} from '../../../index';
import type { StandardSchema } from '../../../lib/codec/schema';
import { codecFrom } from '../../../lib/codec/schema';
import { NoJsonSchemaError } from '../../../lib/errors/definitionErrors';

type Issues = readonly {
  readonly message: string;
  readonly path?: readonly PropertyKey[];
  readonly expected?: string;
}[];

/** A schema as a library would make one. */
function schema<In, Out>(
  make: (value: unknown) => { readonly value: Out } | { readonly issues: Issues },
): StandardSchema<In, Out> {
  return { '~standard': { version: 1, vendor: 'hand', validate: make } };
}

const doubled = schema<number, number>((value) =>
  typeof value === 'number'
    ? { value: value * 2 }
    : { issues: [{ message: 'no number', expected: 'number' }] },
);

describe('a schema in the place of a codec', () => {
  it('makes the input of a function, also in a plain pipe', async () => {
    const same = agent('same', (n) => n, { input: doubled });

    expect(await firstValueFrom(of(2).pipe(same))).toBe(4);
    expect(await lastValueFrom(run(same, 2).pipe(outputs()))).toBe(4);
  });

  it('makes the output once, however often it is saved, gathered, read back and handed on', async () => {
    const store = memoryStore();
    const twice = agent('twice', (n: number) => n, { output: doubled });
    const all = chain(
      'all',
      each('items', twice),
      agent('sum', (list: readonly number[]) => list),
    );

    expect(await lastValueFrom(run(all, [1, 2], { store, runId: 'r' }).pipe(outputs()))).toEqual([2, 4]);
    expect(await lastValueFrom(resume(all, 'r', { store }).pipe(outputs()))).toEqual([2, 4]);
  });

  it('is what a saga undoes', async () => {
    const undone: number[] = [];
    const book = agent('book', (n: number) => n, { output: doubled, compensate: (n) => undone.push(n) });
    const fails = agent('fails', (): number => {
      throw new Error('no');
    });
    await expect(lastValueFrom(run(saga('trip', chain('all', book, fails)), 1))).rejects.toThrow('no');

    expect(undone).toEqual([2]);
  });

  it('says where the value does not fit, and repeats no value', async () => {
    const strict = schema<unknown, unknown>((value) => ({
      issues: [
        { message: `must be short (was "${(value as { key: string }).key}")`, path: ['key'] },
        { message: 'x', path: ['list', 3], expected: 'a number' },
        { message: 'the whole is wrong' },
      ],
    }));
    const made = agent('made', (input: unknown) => input, { input: strict });

    await expect(lastValueFrom(run(made, { key: 'hunter2' }))).rejects.toThrow(
      'Cannot accept input of step "made": .key expected what its hand schema takes, got string ' +
        '(must be short (was string)); .list[3] expected a number, got undefined; ' +
        'it expected what its hand schema takes, got object (the whole is wrong)',
    );
  });

  it('that is asynchronous is refused by name, and its own failure is nobody’s', async () => {
    const late: StandardSchema = {
      '~standard': { version: 1, vendor: 'hand', validate: () => Promise.reject(new Error('later')) },
    };

    await expect(
      lastValueFrom(
        run(
          agent('a', (x: unknown) => x, { input: late }),
          1,
        ),
      ),
    ).rejects.toThrow('this schema is asynchronous: make that check inside the agent');
  });

  it.each([
    [{ type: 'object' }, 'a JSON Schema'],
    [{ _def: {} }, 'before 3.24'],
    [7, 'got number'],
    [String, 'got function'],
    [{ '~standard': { version: 2, validate: () => ({ value: 1 }) } }, 'got object'],
  ])('%p is refused when the agent is made', (given, why) => {
    expect(() => agent('a', (x: unknown) => x, { output: given as never })).toThrow(why);
    expect(() => approval('a', given as never)).toThrow('Cannot define "a": its codec of answers must be');
  });

  it('comes before the methods of a codec, which schemas may have too', () => {
    const both = Object.assign(
      schema(() => ({ value: 1 })),
      { decode: () => 2, encode: () => 2, validate: () => 2 },
    );

    expect(codecFrom('a', 'input', both).decode('x')).toEqual(t.success(1));
  });
});

describe('jsonSchemaOf', () => {
  interface Tree {
    readonly children: readonly Tree[];
  }
  const tree: t.Type<Tree> = t.recursion('Tree', (self) => t.type({ children: t.readonlyArray(self) }));

  it.each([
    [
      t.type({ a: t.string, b: t.union([t.number, t.undefined]) }),
      { type: 'object', properties: { a: { type: 'string' }, b: { type: 'number' } }, required: ['a'] },
    ],
    [t.partial({ a: t.boolean }), { type: 'object', properties: { a: { type: 'boolean' } } }],
    [t.array(t.Int), { type: 'array', items: { type: 'integer' } }],
    [
      t.tuple([t.string, t.null]),
      { type: 'array', prefixItems: [{ type: 'string' }, { type: 'null' }], minItems: 2, items: false },
    ],
    [
      t.union([t.literal('a'), t.keyof({ b: null, c: null })]),
      { anyOf: [{ const: 'a' }, { enum: ['b', 'c'] }] },
    ],
    [t.record(t.string, t.unknown), { type: 'object', additionalProperties: {} }],
    [
      t.record(t.keyof({ a: null }), t.number),
      { type: 'object', propertyNames: { enum: ['a'] }, additionalProperties: { type: 'number' } },
    ],
    [
      t.intersection([t.strict({ a: t.string }), t.exact(t.partial({ b: t.number }))]),
      {
        type: 'object',
        properties: { a: { type: 'string' }, b: { type: 'number' } },
        required: ['a'],
        additionalProperties: false,
      },
    ],
    [
      tree,
      {
        $ref: '#/$defs/Tree',
        $defs: {
          Tree: {
            type: 'object',
            properties: { children: { type: 'array', items: { $ref: '#/$defs/Tree' } } },
            required: ['children'],
          },
        },
      },
    ],
  ] as const)('tells %# of io-ts', (codec: t.Any, told) => {
    expect(jsonSchemaOf(codec)).toEqual(told);
  });

  it('asks a schema that describes itself', () => {
    const told = { type: 'number' };
    const own = schema(() => ({ value: 1 }));
    const described = { '~standard': { ...own['~standard'], jsonSchema: { input: () => told } } };

    expect(jsonSchemaOf(described)).toBe(told);
    expect(jsonSchemaOf(codecFrom('a', 'input', described))).toBe(told);
  });

  it('refuses by name what it cannot tell', () => {
    const own = new t.Type<Date, unknown>('DateText', t.unknown.is as never, t.failure, t.identity);

    expect(() => jsonSchemaOf(t.type({ at: own }))).toThrow(
      'Cannot make a JSON Schema of the codec "DateText"',
    );
    expect(() => jsonSchemaOf(schema(() => ({ value: 1 })))).toThrow('a schema of this release of hand');
  });

  it('refuses by name what a schema cannot tell of itself, such as a date', () => {
    const input = (): never => {
      throw new RangeError('Date cannot be represented in JSON Schema');
    };
    const dated = {
      '~standard': { ...schema(() => ({ value: 1 }))['~standard'], jsonSchema: { input } },
    };
    expect(() => jsonSchemaOf(dated)).toThrow(NoJsonSchemaError);
    expect(() => jsonSchemaOf(dated)).toThrow('hand (Date cannot be represented in JSON Schema); build it');
  });
});
