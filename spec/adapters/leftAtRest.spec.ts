import { CancelledError, TerminalError } from '@restatedev/restate-sdk';

import type { LifeResult, RunRecord, StartRequest } from '../../adapters/restate/protocol/protocol';
import { runRecordsService } from '../../adapters/restate/worker/runRecords';
import { runsService } from '../../adapters/restate/worker/runsService';
import { agent, chain, sleep } from '../../index';
import { serviceSettings } from './support/serviceSettings';

const napping = chain('napping', sleep('nap', 600_000), agent('then', String));
const settings = serviceSettings();
type Handler = (context: unknown, body: unknown) => Promise<unknown>;
const runs = runsService(napping, settings) as unknown as { readonly workflow: Record<string, Handler> };
const records = runRecordsService(settings) as unknown as { readonly object: Record<string, Handler> };
const { run, cancel } = runs.workflow as Readonly<Record<'run' | 'cancel', Handler>>;

/** What a server is asked for. */
interface Sent {
  readonly method: string;
  readonly key: string;
  readonly parameter: unknown;
}

/** Who asks for the end of a life: somebody by `cancel()`, or the last who followed it. */
type Ending = 'cancelled' | 'left';

/** One run on a server: what is kept of it, the durable promises of its lives, and what was sent to them. */
class OneRun {
  readonly kept = new Map<string, unknown>();
  readonly sent: Sent[] = [];
  /** How often a life has waited for the server. */
  waits = 0;
  readonly #promises = new Map<string, unknown>();

  /** Carries a life out. The end is asked for while it waits for the n-th time, before or after the server has done what is waited for. */
  life(request: Partial<StartRequest>, ending?: Ending, at = -1, isDone = false): Promise<LifeResult> {
    const { life = 1 } = request;
    const key = life === 1 ? 'r' : `${String(life)}~r`;
    const named = (name: string) => `${key} ${name}`;
    const wait = async <T>(does: () => T | Promise<T>): Promise<T> => {
      const isNow = this.waits++ === at;
      const done = isNow && !isDone ? undefined : await does();
      if (!isNow) return done as T;
      this.#promises.set(named(ending === 'left' ? 'left' : 'cancel asked'), true);
      throw new CancelledError();
    };
    const context = {
      key,
      set: () => undefined,
      request: () => ({ id: `inv ${key}`, attemptCompletedSignal: new AbortController().signal }),
      rand: { uuidv4: () => 'secret' },
      sleep: () => new Promise(() => undefined),
      promise: (name: string) => ({
        peek: () => wait(() => this.#promises.get(named(name))),
        resolve: (value: unknown) =>
          wait(() => {
            if (this.#promises.has(named(name))) throw new TerminalError('Promise is already completed');
            this.#promises.set(named(name), value);
          }),
      }),
      genericCall: ({ service, method, parameter }: Sent & { readonly service: string }) =>
        wait(() => (service === 'millrace.runs' ? this.record(method, parameter) : [])),
      genericSend: (sent: Sent) => {
        this.sent.push(sent);
      },
    };
    const asked = { runId: 'r', life: 1, at: 1_000, onMismatch: 'refuse', secret: 's', input: 1, ...request };
    return run(context, asked) as Promise<LifeResult>;
  }

  /** The end of the first life is asked for when it has put down how the run stands, and hears nothing any more. */
  async ask(ending: Ending): Promise<void> {
    const context = {
      key: 'r',
      get: (name: string) => Promise.resolve(name === 'self' ? { id: 'inv r', secret: 's' } : null),
      promise: (name: string) => ({
        peek: () => Promise.resolve(this.#promises.get(`r ${name}`)),
        resolve: (value: unknown) => Promise.resolve(this.#promises.set(`r ${name}`, value)),
      }),
      cancel: () => undefined,
      genericSend: (sent: Sent) => {
        this.sent.push(sent);
      },
    };
    const before = this.sent.length;
    await cancel(context, { isAsked: ending === 'cancelled', reason: 'enough' });
    for (const { method, parameter } of this.sent.slice(before)) await this.record(method, parameter);
  }

  /** With what the next life begins: the server takes the first of several requests. */
  next(): Partial<StartRequest> | undefined {
    const begun = this.sent.find(({ method, key }) => method === 'run' && key === '2~r');
    return begun?.parameter as Partial<StartRequest> | undefined;
  }

  /** Asks what is kept of the run. */
  async record(method: string, parameter: unknown): Promise<unknown> {
    const context = {
      key: `${String(runs['name' as never])}/r`,
      get: (name: string) => Promise.resolve(this.kept.get(name) ?? null),
      set: (name: string, value: unknown) => this.kept.set(name, JSON.parse(JSON.stringify(value))),
      clear: (name: string) => this.kept.delete(name),
      date: { now: () => Promise.resolve(2_000) },
      genericSend: (sent: Sent) => {
        this.sent.push(sent);
        return { invocationId: Promise.resolve('inv') };
      },
    };
    return (records.object[method] as Handler)(context, JSON.parse(JSON.stringify(parameter)));
  }
}

/** How often a life waits for the server that falls asleep. */
async function waitsOfOne(): Promise<number> {
  const asleep = new OneRun();
  await asleep.life({});
  return asleep.waits;
}

describe.each(['cancelled', 'left'] as const)('a run that is %s while it falls asleep', (ending) => {
  it.each([
    ['is not done', false],
    ['is done, but not known to be', true],
  ])('ends, whatever its life was waiting for, which %s', async (_, isDone) => {
    const waits = await waitsOfOne();
    expect(waits).toBeGreaterThan(3);
    for (let at = 0; at < waits; at += 1) {
      const one = new OneRun();
      await one.life({}, ending, at, isDone);
      const next = one.next();
      expect([at, next]).toEqual([at, expect.objectContaining({ life: 2 })]);
      await one.life({ ...next, input: undefined });

      expect([at, (one.kept.get('record') as RunRecord).status]).toEqual([at, 'CANCELLED']);
    }
  });

  it('ends, also where its life has put down how it stands, and waits for nothing any more', async () => {
    const one = new OneRun();
    await one.life({});
    await one.ask(ending);
    await one.life({ ...one.next(), input: undefined });

    expect(one.kept.get('record')).toMatchObject({ life: 2, status: 'CANCELLED' });
  });
});

describe('a life that is refused, because nobody can read how its run stands', () => {
  it('leaves the run as it was, for the next life', async () => {
    const one = new OneRun();
    await one.life({});
    const before = one.kept.get('state:0');
    await expect(one.life({ life: 2, seed: {}, input: undefined })).resolves.toMatchObject({ refused: {} });

    expect(one.sent.map(({ method }) => method)).not.toContain('ended');
    expect(one.kept.get('record')).toMatchObject({ life: 2, isResting: true, status: 'SUSPENDED' });
    expect(one.kept.get('state:0')).toBe(before);
    await expect(one.life({ life: 3, input: undefined })).resolves.toMatchObject({ status: 'SUSPENDED' });
  });

  it('changes nothing of a life that others have begun', async () => {
    const one = new OneRun();
    await one.life({});
    await one.record('take', { life: 2, isTold: false });
    await one.record('back', { life: 1 });

    expect(one.kept.get('record')).toMatchObject({ life: 2, isResting: false });
  });
});

describe('a life that puts down twice how its run stands, because it was cancelled meanwhile', () => {
  const stands = { life: 1, status: 'SUSPENDED', answers: [], text: '{}', chunks: 1, wakesAfterMs: 0 };
  const toldFirst = async (): Promise<OneRun> => {
    const one = new OneRun();
    await one.record('rest', stands);
    expect(one.next()).not.toHaveProperty('isLeft');
    return one;
  };

  it('tells the next life of that, which begins without having heard', async () => {
    const one = await toldFirst();
    await one.record('rest', { ...stands, isLeft: true });

    await expect(one.record('take', { life: 2, isTold: false })).resolves.toMatchObject({
      ending: { isLeft: true },
    });
  });

  it.each([
    [{ isLeft: true }, { isAsked: false }],
    [
      { isCancelAsked: true, cancelReason: 'enough' },
      { isAsked: true, reason: 'enough' },
    ],
  ])('has the next life cancelled, which has begun: %j', async (ending, asked) => {
    const one = await toldFirst();
    await one.record('take', { life: 2, isTold: false });
    await one.record('rest', { ...stands, ...ending });

    expect(one.sent.at(-1)).toMatchObject({ method: 'cancel', key: '2~r', parameter: asked });
    expect(one.kept.get('record')).toMatchObject({ life: 2, isResting: false });
  });

  it('has a life begun behind the next one, which is over and waits, when somebody has asked for the end', async () => {
    const one = await toldFirst();
    await one.record('take', { life: 2, isTold: false });
    await one.record('rest', { ...stands, life: 2, wakesAfterMs: undefined });
    const isBegun = () => one.sent.some(({ method, key }) => method === 'run' && key === '3~r');

    await one.record('rest', { ...stands, isLeft: true });
    expect(isBegun()).toBe(false);
    await one.record('rest', { ...stands, isCancelAsked: true });
    expect(isBegun()).toBe(true);
    await expect(one.record('take', { life: 3, isTold: false })).resolves.toMatchObject({
      ending: { isCancelled: true },
    });
  });

  it('has heard, where it says so: nothing is begun once more', async () => {
    const one = await toldFirst();
    await one.record('rest', { ...stands, isCancelAsked: true });
    const before = one.sent.length;
    await one.record('cancel', { life: 1, isAsked: true });
    await one.record('take', { life: 2, isTold: false });
    await one.record('cancel', { life: 1, isAsked: true });

    expect(one.sent).toHaveLength(before);
  });

  it('is followed by none where the run only waits, and somebody leaves it', async () => {
    const one = new OneRun();
    await one.record('rest', { ...stands, wakesAfterMs: undefined });
    await one.record('cancel', { life: 1, isAsked: false });
    expect(one.next()).toBeUndefined();

    await one.record('cancel', { life: 1, isAsked: true, reason: 'enough' });
    expect(one.next()).toMatchObject({ life: 2, isCancelled: true, reason: 'enough' });
  });

  it('is followed by the next one alone, unless whoever begins another one knows what became of those between', async () => {
    const one = new OneRun();
    await one.life({});
    await expect(one.life({ life: 9, input: undefined })).rejects.toMatchObject({ code: 409 });

    await expect(one.life({ life: 9, isAnew: true })).resolves.toMatchObject({ status: 'SUSPENDED' });
    expect(one.kept.get('record')).toMatchObject({ life: 9 });
  });

  it('is heard the first time also where somebody has given the run up while the life was under way', async () => {
    const one = await toldFirst();
    await one.record('take', { life: 2, isTold: false });
    await one.record('drop', {});
    await one.record('rest', { ...stands, life: 2, text: '{"after":2}' });

    expect(one.kept.get('record')).toMatchObject({ life: 2, status: 'SUSPENDED' });
    expect(one.kept.get('state:0')).toBe('{"after":2}');
  });

  it('keeps the answers that have come in between, and what has ended the run', async () => {
    const one = new OneRun();
    const waits = { ...stands, wakesAfterMs: undefined };
    await one.record('rest', waits);
    await one.record('answer', { path: 'ok', value: true });
    await one.record('rest', waits);
    expect(one.kept.get('record')).toMatchObject({ answers: [{ path: 'ok', value: true }] });

    await one.record('drop', {});
    await one.record('rest', { ...waits, isCancelAsked: true });
    expect(one.kept.get('record')).toMatchObject({ status: 'CANCELLED' });
  });

  it('leaves it to the next life to undo what sagas have done, also where that is begun by whoever left', async () => {
    const one = new OneRun();
    await one.life({}, 'cancelled', (await waitsOfOne()) - 1, true);

    await expect(one.record('leave', { life: 2, at: 1, keptForMs: 1 })).resolves.toBeNull();
  });
});
