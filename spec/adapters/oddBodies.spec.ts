import type { Serde } from '@restatedev/restate-sdk';
import * as t from 'io-ts';

import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import type { GivenAnswer } from '../../adapters/restate/protocol/protocol';
import { asManyAsFit } from '../../adapters/restate/protocol/wireEvent';
import {
  acceptAnswer,
  acceptBatch,
  acceptCancel,
  acceptStart,
  BODY,
} from '../../adapters/restate/worker/requests';
import { runRecordsService } from '../../adapters/restate/worker/runRecords';
import { approval, chain } from '../../index';
import { serviceFor } from '../../adapters/restate/client/engineContext';

const MIB = 1024 * 1024;
const deep = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));
const start = { runId: 'r', life: 1, at: 1, onMismatch: 'refuse' };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the body of a request', () => {
  it.each(Object.entries(BODY))('to "%s" is refused before it is parsed when it is too deep', (_, body) => {
    const read = (levels: number): unknown =>
      (body as Serde<unknown>).deserialize(
        bytesOf(`${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`),
      );

    expect(read(320)).toEqual(expect.anything());
    expect(() => read(322)).toThrow('nested deeper than 320');
    expect(() => (body as Serde<unknown>).deserialize(bytesOf('['.repeat(MIB - 1)))).toThrow(
      'nested deeper than 320',
    );
  });

  it.each([
    ['answer', 6 * MIB],
    ['cancel', 2 * MIB],
    ['events', 2 * MIB],
    ['text', 2 * MIB],
    ['publish', 25 * MIB],
    ['keep', 25 * MIB],
    ['none', 2 * MIB],
  ] as const)('to "%s" is refused before it is parsed when it is too large', (handler, bytes) => {
    expect(() => BODY[handler].deserialize(new Uint8Array(bytes))).toThrow('it is larger than');
  });

  it('is not taken for deep by what stands in texts', () => {
    const body = { path: '[{'.repeat(1_000), value: '\\"[[['.repeat(1_000) };

    expect(BODY.answer.deserialize(bytesOf(JSON.stringify(body)))).toEqual(body);
  });

  it('is nothing when it is empty', () => {
    expect(BODY.answer.deserialize(new Uint8Array())).toBeUndefined();
  });
});

describe('what is taken of a body', () => {
  it.each<[string, () => unknown]>([
    ['an answer deeper than a value may be', () => acceptAnswer({ path: 'ok', value: deep(257) })],
    ['an answer of 6,000 levels', () => acceptAnswer({ path: 'ok', value: deep(6_000) })],
    ['an answer that is too large', () => acceptAnswer({ path: 'ok', value: 'x'.repeat(4 * MIB) })],
    ['an input of 6,000 levels', () => acceptStart({ ...start, input: deep(6_000) }, 'r')],
    ['an input that is too large', () => acceptStart({ ...start, input: 'x'.repeat(4 * MIB) }, 'r')],
    ['a value with __proto__', () => acceptAnswer({ path: 'ok', value: JSON.parse('{"__proto__":1}') })],
    ['an endless secret', () => acceptStart({ ...start, secret: 'x'.repeat(1_000) }, 'r')],
    ['an endless incarnation', () => acceptAnswer({ path: 'ok', incarnation: 'x'.repeat(1_000) })],
  ])('%s is refused', (_, take) => {
    expect(take).toThrow(expect.objectContaining({ code: 400 }));
  });

  it('an answer as deep as a value may be is taken', () => {
    expect(acceptAnswer({ path: 'ok', value: deep(256) })).toMatchObject({ path: 'ok' });
  });

  it('a reason without end is cut as a message is', () => {
    const reason = 'because '.repeat(100_000);

    expect(acceptCancel({ isAsked: true, reason }).reason).toMatch(/cut, of 800000 characters/);
    expect(acceptStart({ ...start, reason }, 'r').reason).toMatch(/cut, of 800000 characters/);
  });

  it('a batch with what is no event is refused', () => {
    const batch = { hint: 0, secret: 's', parts: [{ index: 0, event: null }] };

    expect(() => acceptBatch(batch)).toThrow('.parts[0] is not an event');
  });
});

const paying = chain('paying', approval('ok', t.boolean));

/** What is kept of one run, with a server that says of each service whether somebody serves it. */
function keptRun(
  key: string,
  state: Record<string, unknown> = {},
  serves: (path: string) => boolean = () => true,
) {
  const sent: { readonly service: string; readonly method: string }[] = [];
  const looks: string[] = [];
  const ingress: Ingress = {
    request(path) {
      looks.push(path);
      const message = serves(path)
        ? 'invocation not found'
        : "service 'x' not found, make sure it is registered";
      return Promise.reject(new IngressError(404, path, message));
    },
  };
  const { object } = runRecordsService({
    ingress,
    placement: () => 'inline',
    retentionMs: 1,
    abortTimeoutMs: 1,
    longSleepMs: 60_000,
    inactivityTimeoutMs: 1,
    retryMs: 1,
    lives: new Set(),
    services: undefined,
  }) as unknown as { readonly object: Record<string, (context: unknown, body: unknown) => Promise<unknown>> };
  const kept = new Map(Object.entries(state));
  const context = {
    key,
    get: (name: string) => Promise.resolve(kept.get(name) ?? null),
    set: (name: string, value: unknown) => {
      kept.set(name, JSON.parse(JSON.stringify(value)));
    },
    clear: (name: string) => {
      kept.delete(name);
    },
    run: (_name: string, look: () => unknown) => look(),
    date: { now: () => Promise.resolve(1) },
    genericSend: (send: { readonly service: string; readonly method: string }) => {
      sent.push(send);
      return { invocationId: Promise.resolve('inv_1') };
    },
  };
  const ask = (handler: string, body: unknown) => (object[handler] as (typeof object)[string])(context, body);
  return { ask, kept, sent, looks };
}

describe('an answer for a run that is kept', () => {
  const service = serviceFor(paying);
  const resting = {
    record: { life: 1, status: 'SUSPENDED', isResting: true, answers: [], chunks: 1 },
    'state:0': '{}',
  };

  it('begins the next life', async () => {
    const { ask, kept, sent, looks } = keptRun(`${service}/r`, resting);
    await ask('answer', { path: 'ok', value: true });

    expect(kept.get('record')).toMatchObject({ answers: [{ path: 'ok', value: true }] });
    expect(sent).toMatchObject([{ service, method: 'run', key: '2~r' }]);
    expect(looks).toEqual([]);
  });

  it.each(['millrace.nobody.000000000000/x', 'nobody/x', '/', 'x', `${service}.steps.default/x`])(
    'under the key "%s", which nobody serves, is refused and sent nowhere',
    async (key) => {
      const { ask, sent } = keptRun(key, {}, (path) => path.includes(`/${service}/`));

      await expect(ask('answer', { path: 'ok', value: true })).rejects.toMatchObject({ code: 404 });
      expect(sent).toEqual([]);
    },
  );

  it('is handed on where nothing is kept, and the server says that somebody serves the run', async () => {
    const { ask, sent, looks } = keptRun(`${service}/r`);
    await ask('answer', { path: 'ok', value: true });

    expect(sent).toMatchObject([{ service, method: 'answer', key: 'r' }]);
    expect(looks).toEqual([`/restate/invocation/${service}/r/answer/none/output`]);
  });

  it('is refused when more wait already than a message carries, and what is kept stays as it is', async () => {
    const { ask, kept, sent } = keptRun(`${service}/r`, resting);
    const value = 'x'.repeat(3 * MIB);
    for (let i = 0; i < 3; i += 1) await ask('answer', { path: `other-${i}`, value });

    await expect(ask('answer', { path: 'ok', value })).rejects.toMatchObject({ code: 413 });
    expect((kept.get('record') as typeof resting.record).answers).toHaveLength(3);
    await ask('answer', { path: 'ok', value: true });
    expect(sent).toHaveLength(4);
  });

  it('is refused that way too where it comes after the end of a life that has not rested yet', async () => {
    const { ask, kept } = keptRun(`${service}/r`);
    const value = 'x'.repeat(3 * MIB);
    for (let i = 0; i < 3; i += 1) await ask('late', { life: 1, path: `other-${i}`, value });

    await expect(ask('late', { life: 1, path: 'ok', value })).rejects.toMatchObject({ code: 413 });
    expect(kept.get('late')).toHaveLength(3);
  });

  it('is warned of when it is dropped: one that comes late, and those that a life leaves behind', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { ask, kept } = keptRun(`${service}/r`);
    const value = 'x'.repeat(3 * MIB);
    const answers = ['a', 'b', 'c'].map((path) => ({ path, value }));
    for (const late of answers) await ask('late', { life: 1, ...late });
    await expect(ask('late', { life: 1, path: 'd', value })).rejects.toMatchObject({ code: 413 });
    await ask('rest', { life: 1, status: 'SUSPENDED', answers, text: '{}', chunks: 1 });
    const warned = warn.mock.calls.map(([text]) => String(text));
    warn.mockRestore();

    expect(kept.get('record')).toMatchObject({ answers });
    expect(warned).toEqual([
      expect.stringMatching(/^Run "r" was given more answers .*: the last is dropped$/),
      expect.stringMatching(/^Run "r" was given more answers .*: the last 3 are dropped$/),
    ]);
  });

  it.each(['answer', 'late'])(
    'is refused by "%s" when the run has completed, and not sent to its last life',
    async (how) => {
      const record = { ...resting.record, life: 2, status: 'COMPLETED', isResting: false };
      const { ask, sent } = keptRun(`${service}/r`, { record });

      await expect(ask(how, { life: 1, path: 'ok', value: true })).rejects.toMatchObject({ code: 409 });
      expect(sent).toEqual([]);
    },
  );

  it('is among the first that fit when a life leaves more behind', () => {
    const large = (path: string): GivenAnswer => ({ path, value: 'x'.repeat(3 * MIB) });
    const answers = ['a', 'b', 'c', 'd', 'e'].map(large);

    expect(asManyAsFit(answers).map(({ path }) => path)).toEqual(['a', 'b', 'c']);
    expect(asManyAsFit([])).toEqual([]);
  });
});

describe('a life that asks for what is kept of its run', () => {
  const record = { life: 3, status: 'SUSPENDED', isResting: true, answers: [], chunks: 1 };
  const behind = (change: Partial<typeof record> = {}) =>
    keptRun(`${serviceFor(paying)}/r`, { record: { ...record, ...change }, 'state:0': '{}' });

  it('is given it when it is the next one, also when it asks again', async () => {
    const { ask, kept } = behind();
    for (let i = 0; i < 2; i += 1)
      await expect(ask('take', { life: 4, isTold: false })).resolves.toMatchObject({ text: '{}' });

    expect(kept.get('record')).toMatchObject({ life: 4, isResting: false });
  });

  it.each([
    ['far ahead of the latest', { life: 900 }, {}],
    ['the next but one', { life: 5 }, {}],
    ['the next while the latest is under way', { life: 4 }, { isResting: false, status: 'RUNNING' }],
  ])('is refused by name when it is %s, and leaves it as it was', async (_, asked, change) => {
    const { ask, kept } = behind(change);

    await expect(ask('take', { ...asked, isTold: false })).rejects.toMatchObject({
      code: 409,
      message: expect.stringMatching(/^Cannot begin life \d+ of run "r": life 3 is /),
    });
    expect(kept.get('record')).toEqual({ ...record, ...change });
  });

  it('is given it when it was begun by somebody who knows that those before it have broken off', async () => {
    const { ask } = behind({ isResting: false, status: 'RUNNING' });

    await expect(ask('take', { life: 6, isTold: true })).resolves.toMatchObject({ text: '{}' });
  });

  it('finds nothing when another one has gone further', async () => {
    await expect(behind().ask('take', { life: 2, isTold: false })).resolves.toBeNull();
  });
});
