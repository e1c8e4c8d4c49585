import type { WorkflowContext } from '@restatedev/restate-sdk';
import { CancelledError, RestatePromise } from '@restatedev/restate-sdk';
import * as t from 'io-ts';

import { runsService } from '../../adapters/restate/worker/runsService';
import { agent, approval, chain, execute, memoryStore, saga } from '../../index';
import { RunState as StateCodec } from '../../lib/codec/stateCodec';
import { serviceSettings } from './support/serviceSettings';

const undone: number[] = [];
const reserve = agent('reserve', (n: number) => n + 1, {
  compensate: (output: number) => void undone.push(output),
});
const booking = saga('booking', chain('work', reserve, approval('agree', t.number)));

type Handler = (context: unknown, body: unknown) => Promise<unknown>;
const { workflow } = runsService(booking, serviceSettings()) as unknown as {
  readonly workflow: Record<'run' | 'tell' | 'cancel', Handler>;
};

/** The second life of a run that waited, as the server carries it out; it is cancelled so many times while it reads how the run stands. */
async function secondLife(cancels: number, asked: unknown) {
  const store = memoryStore();
  await execute(booking, 1, { store, runId: 'r' });
  const state = await store.loadRun('r');
  const calls: { readonly method: string; readonly parameter: Record<string, unknown> }[] = [];
  const kept = new Map<string, unknown>();
  let left = cancels;
  const context = {
    key: '2~r',
    rand: { uuidv4: () => 'computed' },
    set: (name: string, value: unknown) => kept.set(name, value),
    get: (name: string) => Promise.resolve(kept.get(name) ?? null),
    request: () => ({ id: 'inv_2', attemptCompletedSignal: new AbortController().signal }),
    cancel: (id: string) => calls.push({ method: `cancel ${id}`, parameter: {} }),
    run: (_name: string, closure: () => unknown) => RestatePromise.resolve(closure()),
    promise: (name: string) => ({
      peek: () => Promise.resolve(name === 'cancel asked' ? asked : undefined),
      resolve: () => Promise.resolve(),
      get: () => RestatePromise.resolve(new Promise(() => undefined)),
    }),
    genericSend: () => ({ invocationId: Promise.resolve('inv') }),
    genericCall: (call: (typeof calls)[number]) => {
      calls.push(call);
      if (call.method === 'secret') return Promise.resolve('real');
      if (call.method !== 'take') return Promise.resolve(call.method === 'nested' ? [] : undefined);
      left -= 1;
      if (left >= 0) return Promise.reject(new CancelledError());
      const text = JSON.stringify(StateCodec.encode(state as never));
      return Promise.resolve({ life: 1, status: 'SUSPENDED', answers: [], chunks: 1, text, secret: 'real' });
    },
  };
  return { context: context as unknown as WorkflowContext, calls, kept };
}

const start = { runId: 'r', life: 2, at: 1, onMismatch: 'refuse' };

describe('a later life of a run', () => {
  beforeEach(() => {
    undone.length = 0;
  });

  it.each<[string, unknown, readonly number[]]>([
    ['somebody asks for its end', { reason: 'why' }, [2]],
    ['whoever followed it leaves', undefined, []],
  ])('ends at once when %s while it reads how the run stands', async (_, asked, expected) => {
    const { context, calls } = await secondLife(2, asked);
    const result = await workflow.run(context, start);

    expect(result).toMatchObject({ status: 'CANCELLED' });
    expect(undone).toEqual(expected);
    expect(calls.find(({ method }) => method === 'rest')?.parameter).toMatchObject({ status: 'CANCELLED' });
  });

  it('has the secret that is kept of the run, and hands it on, whatever whoever begins it says', async () => {
    const { context, calls, kept } = await secondLife(0, undefined);
    await workflow.run(context, { ...start, isCancelled: true, secret: 'guessed' });

    expect(kept.get('self')).toEqual({ id: 'inv_2', secret: 'real', isHandedOn: true, isUndoing: true });
    expect(calls.find(({ method }) => method === 'rest')?.parameter).toMatchObject({ secret: 'real' });
  });

  it.each(['guessed', 'computed', ''])(
    'believes no "%s" while it does not know its secret yet',
    async (secret) => {
      const { context, kept } = await secondLife(0, undefined);
      kept.set('self', { id: 'inv_2', secret });

      await expect(workflow.tell(context, { hint: 0, secret, parts: [] })).rejects.toMatchObject({
        code: 403,
      });
    },
  );

  it('is left alone by a cancel while it undoes', async () => {
    const { context, calls, kept } = await secondLife(0, undefined);
    kept.set('self', { id: 'inv_2', secret: 'real', isUndoing: true });

    await expect(workflow.cancel(context, { isAsked: true })).resolves.toBe(true);
    expect(calls).toEqual([]);
  });

  it.each([true, false])(
    'is cancelled once when somebody has asked for its end: asked again %s',
    async (isAsked) => {
      const { context, calls, kept } = await secondLife(0, true);
      kept.set('self', { id: 'inv_2', secret: 'real' });

      await expect(workflow.cancel(context, { isAsked })).resolves.toBe(true);
      expect(calls).toEqual([]);
    },
  );
});
