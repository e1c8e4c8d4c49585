import { VirtualTimeScheduler } from 'rxjs';

import type { RetryPolicy } from '../../lib/model/agentType';
import { agent, run } from '../../index';

/** How often an agent that always fails is called, and how long is waited in between, in virtual time. */
function attempts(error: unknown, retry: number | RetryPolicy) {
  const scheduler = new VirtualTimeScheduler();
  const waits: number[] = [];
  let calls = 0;
  const failing = agent(
    'failing',
    () => {
      calls += 1;
      throw error as Error;
    },
    { retry },
  );
  run(failing, undefined, { scheduler }).subscribe({
    next: ({ event }) => {
      if (event.type === 'step.retrying') waits.push(event.delayMs);
    },
    error: () => undefined,
  });
  scheduler.flush();
  return { calls, waits };
}

const told = (fields: object): Error => Object.assign(new Error('told'), fields);
const inTwoSeconds = { 'retry-after': '2' };

describe('a retry understands what a server says', () => {
  it.each([
    [
      'Headers, as openai and anthropic give them',
      { status: 429, headers: new Headers(inTwoSeconds) },
      2_000,
    ],
    ['a record, as the AI SDK gives it', { statusCode: 429, responseHeaders: { 'Retry-After': '2' } }, 2_000],
    ['a response, as axios gives it', { response: { status: 429, headers: inTwoSeconds } }, 2_000],
    [
      'milliseconds',
      { status: 503, headers: new Headers({ 'retry-after-ms': '150', 'retry-after': '1' }) },
      150,
    ],
    [
      'a moment by the clock of the server',
      {
        status: 503,
        headers: new Headers({
          'retry-after': 'Wed, 21 Oct 2026 07:28:04 GMT',
          date: 'Wed, 21 Oct 2026 07:28:00 GMT',
        }),
      },
      4_000,
    ],
    ['its own word', { retryAfterMs: 70 }, 70],
    ['nothing that can be understood', { headers: new Headers({ 'retry-after': 'soon' }) }, 10],
  ])('in %s: it waits that long', (_, fields, waited) => {
    expect(attempts(told(fields), { count: 2, delayMs: 10 })).toEqual({ calls: 3, waits: [waited, waited] });
  });

  it('but no longer than the policy allows, nor shorter than it asks', () => {
    const error = told({ status: 429, retryAfterMs: 3_600_000 });

    expect(attempts(error, { count: 1, maxMs: 500 }).waits).toEqual([500]);
    expect(attempts(error, 1).waits).toEqual([300_000]);
    expect(attempts(told({ retryAfterMs: 5 }), { count: 1, delayMs: 60 }).waits).toEqual([60]);
  });

  it.each([400, 401, 403, 404, 405, 410, 413, 422])(
    'and repeats no request that was answered with %i',
    (status) => {
      expect(attempts(told({ status }), 3).calls).toBe(1);
      expect(attempts(told({ statusCode: status }), 3).calls).toBe(1);
      expect(attempts(told({ status }), { count: 3, retryIf: () => true }).calls).toBe(4);
    },
  );

  it.each([408, 409, 429, 500, 502, 503, 529])('but one that was answered with %i', (status) => {
    expect(attempts(told({ status }), 3).calls).toBe(4);
  });

  it('and nothing that says itself that it is final', () => {
    expect(attempts(told({ status: 500, isRetryable: false }), { count: 3, retryIf: () => true }).calls).toBe(
      1,
    );
  });

  it('and hands the error itself to the functions of the policy', () => {
    const error = told({ status: 418 });
    const seen: unknown[] = [];
    attempts(error, {
      count: 1,
      retryIf: ({ status }, thrown) => seen.push(status, thrown) > 0,
      delayMs: (_failure, attempt, thrown) => seen.push(attempt, thrown),
    });

    expect(seen).toEqual([418, error, 1, error]);
  });

  it('refuses a longest wait that is none, when the agent is made', () => {
    expect(() => attempts(new Error('x'), { count: 1, maxMs: NaN })).toThrow('retry.maxMs');
  });
});
