import * as t from 'io-ts';

import type { Wire } from '../../../index';
import { agent, approval, chain, each, firstOf, waitFor, workflow } from '../../../index';
import { broken, flaky, hanging, heard, later, plus, upper, wait } from './agents';

/** Agents of the tests that do more than run once. */
export const scripted = {
  signing: workflow('signing', (text: Wire<string>, step) => {
    const asked = step('up', upper, text);
    const sign = step('sign', approval<boolean, string>('sign', t.boolean), asked);
    const aside = step('aside', later, text);
    return { sign, aside };
  }),
  soon: chain(
    'soon',
    approval<string, string, string>('sign', t.string, {
      timeoutMs: 300,
      onTimeout: agent('boss', (text: string) => `boss says ${text}`),
    }),
  ),
  paying: chain(
    'paying',
    waitFor('paid', t.number, (sum, asked: number) => sum >= asked),
    plus,
  ),
  twoLives: workflow('twoLives', (text: Wire<string>, step) => {
    const first = step('first', agent('first', flaky(1)), text);
    return step('second', agent('second', flaky(2)), first);
  }),
  threeFail: workflow('threeFail', (text: Wire<string>, step) => ({
    x: step('x', agent('x', flaky(2)), text),
    y: step('y', agent('y', flaky(2)), text),
    z: step('z', agent('z', flaky(2)), text),
  })),
  keys: agent('key', (enough: number, { idempotencyKey, attempt }) => {
    if (attempt < enough) throw new Error(idempotencyKey);
    return idempotencyKey;
  }),
  hanging: chain('hangs', upper, hanging),
  failing: workflow('failing', (text: Wire<string>, step) => ({
    fails: step('fails', chain('late', later, broken), text),
    hangs: step('hangs', hanging, text),
  })),
  decided: firstOf('decided', later, hanging),
  tooBig: agent('tooBig', (size: number) => 'x'.repeat(size)),
  long: each('long', plus, { concurrency: 100 }),
  attended: chain(
    'attended',
    later,
    agent('attendedTo', async (text: string, { emit, runId }) => {
      emit(0);
      // Until the test has heard of it; after a minute it never will.
      for (let waits = 0; waits < 6_000 && !heard.has(runId); waits += 1) await wait(10);
      for (let i = 1; i < 8; i += 1) emit(i);
      return heard.has(runId) ? text : 'unheard';
    }),
  ),
  patient: chain(
    'patient',
    later,
    agent('slowly', async (text: string, context) => {
      for (let i = 0; i < 8; i += 1) {
        context.emit(i);
        await wait(100);
      }
      return text;
    }),
  ),
};
