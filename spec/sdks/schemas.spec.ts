import { type } from 'arktype';
import { firstValueFrom, lastValueFrom, map, of } from 'rxjs';
import * as v from 'valibot';
import { z } from 'zod';
import { z as z3 } from 'zod3';

import type { Agent, RunOptions, Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  jsonSchemaOf,
  memoryStore,
  outputs,
  resume,
  run,
  workflow,
} from '../../index';

const order = {
  zod: z.object({ id: z.string(), mail: z.email(), count: z.number().default(1) }),
  'zod 3': z3.object({ id: z3.string(), mail: z3.string().email(), count: z3.number().default(1) }),
  valibot: v.object({
    id: v.string(),
    mail: v.pipe(v.string(), v.email()),
    count: v.optional(v.number(), 1),
  }),
  arktype: type({ id: 'string', mail: 'string.email', count: 'number = 1' }),
};

/** What a run gives in the end. */
const given = <I, O>(made: Agent<I, O>, input: I, where: RunOptions = {}): Promise<O> =>
  lastValueFrom(run(made, input as never, where).pipe(outputs()));

/** Compiles when both are the same type. */
const sameType = <A, B>(
  ..._same: (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? [] : [never]
): void => undefined;

interface Given {
  id: string;
  mail: string;
  count?: number | undefined;
}

describe('an input with a schema', () => {
  const agents: Record<string, Agent<{ id: string; mail: string }, string>> = {
    zod: agent('order', (input) => `${input.id} ${input.count.toFixed()}`, { input: order.zod }),
    'zod 3': agent('order', (input) => `${input.id} ${input.count.toFixed()}`, { input: order['zod 3'] }),
    valibot: agent('order', (input) => `${input.id} ${input.count.toFixed()}`, { input: order.valibot }),
    arktype: agent('order', (input) => `${input.id} ${input.count.toFixed()}`, { input: order.arktype }),
  };

  it.each(Object.keys(agents))('is what %s makes of it', async (vendor) => {
    const made = agents[vendor] as Agent<Given, string>;

    expect(await given(made, { id: 'a', mail: 'a@b.io' })).toBe('a 1');
    expect(await firstValueFrom(of({ id: 'a', mail: 'a@b.io', count: 3 }).pipe(made))).toBe('a 3');
  });

  it.each(Object.keys(agents))('is refused by %s with the place, never with the value', async (vendor) => {
    const made = agents[vendor] as Agent<unknown, string>;
    const wrong = given(made, { id: 7, mail: 'hunter2@@' });

    await expect(wrong).rejects.toThrow(/\.id expected (a )?string, got number/);
    await expect(wrong).rejects.toThrow(/\.mail expected .*, got string/);
    await expect(wrong).rejects.not.toThrow(/hunter2/);
  });
});

it('types follow from the schema', () => {
  const transformed = agent('t', (date) => date.getTime(), {
    input: z.string().transform((text) => new Date(text)),
  });
  sameType<typeof transformed, Agent<string, number, unknown>>();
  const made = agent('o', (input: number) => ({ text: String(input) }), {
    output: v.object({
      text: v.pipe(
        v.string(),
        v.transform((text) => text.length),
      ),
    }),
  });
  sameType<typeof made, Agent<number, { text: number }, unknown>>();
  const both = agent('b', ({ at }) => Promise.resolve(at), {
    input: type({ at: 'number' }),
    output: z3.number().transform(String),
  });
  sameType<typeof both, Agent<{ at: number }, string, unknown>>();
  const asked = approval('a', z.object({ yes: z.boolean() }));
  sameType<typeof asked, Agent<unknown, { yes: boolean }, unknown>>();
  const flow = workflow('w', (input, step) => step('x', ({ count }) => count + 1, input), {
    input: z.object({ count: z.number().default(1) }),
  });
  sameType<typeof flow, Agent<{ count?: number | undefined }, number, unknown>>();
  const result = workflow('w', (input, step) => step('x', (n: number) => n + 1, input), {
    input: z.number(),
    output: z.number().transform(String),
  });
  sameType<typeof result, Agent<number, string, unknown>>();

  // @ts-expect-error: the schema takes a text.
  agent('wrong', (input: number) => input, { output: z.string() });
  // @ts-expect-error: the function takes a text.
  agent('wrong', (input: string) => input, { input: z.number() });
  // @ts-expect-error: there is no such field.
  agent('wrong', (input) => input.b, { input: z.object({ a: z.number() }) });
  const plus = agent('plus', (n: number) => n + 1);
  workflow(
    'wrong',
    // @ts-expect-error: the result is a number.
    (input, step) => step('x', plus, input),
    { input: z.number(), output: z.string() },
  );
  expect(made.name).toBe('o');
});

it('jsonSchemaOf asks the schema', () => {
  expect(jsonSchemaOf(order.zod)).toMatchObject({ type: 'object', required: ['id', 'mail'] });
  expect(jsonSchemaOf(type({ id: 'string' }))).toMatchObject({ type: 'object', required: ['id'] });
  expect(() => jsonSchemaOf(order.valibot)).toThrow('@valibot/to-json-schema');
  expect(() => jsonSchemaOf(order['zod 3'])).toThrow('this release of zod');
});

describe('an output with a schema', () => {
  it('is what the schema makes of it, live and read back, and is made once', async () => {
    const store = memoryStore();
    let made = 0;
    const upper = agent('upper', (text: string) => text, {
      output: z.string().transform((text) => `${text}!${String((made += 1))}`),
    });
    const pair = workflow('pair', (input: Wire<string>, step) => {
      const first = step('first', upper, input);
      return { first, second: step('second', upper, first) };
    });

    expect(await given(pair, 'a', { store, runId: 'r' })).toEqual({ first: 'a!1', second: 'a!1!2' });
    const again = await lastValueFrom(resume(pair, 'r', { store }).pipe(outputs()));
    expect(again).toEqual({ first: 'a!1', second: 'a!1!2' });
    expect(made).toBe(2);
  });

  it('is refused with its place', async () => {
    const broken = agent('broken', () => ({ list: [1, 'a'] }) as unknown as { list: number[] }, {
      output: z.object({ list: z.array(z.number()) }),
    });

    await expect(given(broken, undefined)).rejects.toThrow(
      'output of "broken": .list[1] expected number, got string',
    );
  });

  it('is checked after a stream was reduced', async () => {
    const streamed = agent('streamed', () => of(1, 2, 3), {
      output: v.pipe(v.number(), v.minValue(6), v.transform(String)),
      reduce: { seed: 0, fold: (sum, value: number) => sum + value },
    });

    expect(await given(streamed, undefined)).toBe('6');
  });
});

it('an answer is what the schema makes of it, and one that does not fit is refused when it is given', async () => {
  const store = memoryStore();
  const sign = approval(
    'sign',
    z.object({ yes: z.boolean(), at: z.string().transform((text) => text.length) }),
  );
  const flow = workflow('flow', (input: Wire<string>, step) => step('sign', sign, input));
  await lastValueFrom(run(flow, 'x', { store, runId: 'r' }).pipe(map(({ state }) => state.status)));

  await expect(answer('r', 'sign', { yes: 'no' }, { store, agent: flow })).rejects.toThrow(
    '.yes expected boolean',
  );
  await answer('r', 'sign', { yes: true, at: 'today' }, { store, agent: flow });
  expect(await lastValueFrom(resume(flow, 'r', { store }).pipe(outputs()))).toEqual({ yes: true, at: 5 });
  expect(await lastValueFrom(resume(flow, 'r', { store }).pipe(outputs()))).toEqual({ yes: true, at: 5 });
});

it('an asynchronous schema is refused by name', async () => {
  const slow = agent('slow', (text) => text, { input: z.string().refine(() => Promise.resolve(true)) });

  await expect(given(slow, 'a')).rejects.toThrow('asynchronous');
});

it('what is neither a codec nor a schema is refused when the agent is made', () => {
  const make = (input: unknown) => () => agent('made', (text: string) => text, { input: input as never });

  expect(make({ type: 'object', properties: {} })).toThrow(
    'its input must be a codec of io-ts or a Standard Schema',
  );
  expect(make({ type: 'object', properties: {} })).toThrow('a JSON Schema');
  expect(make(z.ZodString)).toThrow('got function');
  expect(() => approval('ask', 'yes' as never)).toThrow('its codec of answers must be');
  expect(() => workflow('w', (input: Wire<string>) => input, { input: 7 as never })).toThrow('its input');
});
