import * as t from 'io-ts';

import { answerRun } from '../../adapters/restate/client/answerRun';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import { approval, chain, execute, memoryStore } from '../../index';
import { RunState as StateCodec } from '../../lib/codec/stateCodec';
import { askingBy } from './support/fakeServer';

const asks = chain('asks', approval('ok', t.boolean));

/** A server on which a run waits. It begins the next life when that has been asked for so many times after the answer. */
async function waiting(questions: number) {
  const state = await execute(asks, 1, { store: memoryStore(), runId: 'r' });
  const record = { life: 1, status: 'SUSPENDED', isResting: true, answers: [], chunks: 1 };
  const asked: string[] = [];
  let isAnswered = false;
  let left = questions;
  const context = askingBy((path) => {
    const [, , , , key = '', what = ''] = path.split('/').map(decodeURIComponent);
    if (path.startsWith('/restate/invocation/')) return Promise.resolve(470);
    if (path.endsWith('/get'))
      return Promise.resolve({ ...record, text: JSON.stringify(StateCodec.encode(state as never)) });
    if (path.endsWith('/events'))
      return Promise.resolve({ events: [], parts: [], nextFrom: 0, nextParts: 0 });
    if (path.endsWith('/answer')) {
      isAnswered = true;
      return Promise.resolve(undefined);
    }
    if (key === 'r') return Promise.resolve({ status: 'SUSPENDED', from: 0, events: [], parts: 0 });
    if (isAnswered) asked.push(`${key} ${what}`);
    left -= isAnswered ? 1 : 0;
    const status = isAnswered && left < 0 ? 470 : 404;
    return Promise.reject(new IngressError(status, path, 'invocation not there'));
  });
  return { context, asked };
}

describe('answerRun()', () => {
  it.each([0, 2])(
    'is over once the server has the life that goes on, here %d questions later',
    async (later) => {
      const { context, asked } = await waiting(later);
      await answerRun(context, asks, 'r', { path: 'ok', value: true });

      expect(asked).toEqual(Array<string>(later + 1).fill('2~r output'));
    },
  );

  it('says that the run has completed where it does so meanwhile', async () => {
    const { context } = await waiting(0);
    const { ingress } = context;
    const completed: typeof ingress = {
      request: (path, options) =>
        path.endsWith('/answer')
          ? Promise.reject(new IngressError(409, path, 'Run "r" has completed'))
          : ingress.request(path, options),
    };

    const answered = answerRun({ ...context, ingress: completed }, asks, 'r', { path: 'ok', value: true });
    await expect(answered).rejects.toMatchObject({ name: 'RunEndedError', runId: 'r' });
  });

  it('is over after a while also where the server begins none: the answer is kept', async () => {
    const { context, asked } = await waiting(Infinity);
    await answerRun(context, asks, 'r', { path: 'ok', value: true });

    expect(asked.length).toBeGreaterThan(1);
  });
});
