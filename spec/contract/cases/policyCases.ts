import { concat, NEVER, of } from 'rxjs';

import type { Wire } from '../../../index';
import { agent, branch, chain, settled, withPolicy, workflow } from '../../../index';
import type { EngineCase } from '../engineCase';
import { flaky, hang, upper } from './agents';

const second = agent('flaky', flaky(2));
const retried = workflow<string, Wire<string>>(
  'part',
  (text: Wire<string>, step) => {
    const up = step('up', upper, text);
    return step('flaky', second, up);
  },
  { retry: 2 },
);

const tags = agent('tags', (answers: readonly { readonly _tag: string }[]) =>
  answers.map(({ _tag }) => _tag).join(),
);
const retriedBeside = workflow(
  'beside',
  (text: Wire<string>, step) => {
    const x = step('x', second, text);
    const z = step('z', second, step('read', tags, settled([x])));
    return { z, all: step('all', tags, settled([x, z])) };
  },
  { retry: 2 },
);

/** Attempts and time limits. */
export const policyCases: readonly EngineCase[] = [
  {
    title: 'retries until it is good',
    agent: agent('third', flaky(3), { retry: 3 }),
    input: 'x',
    gives: 'x at 3',
  },
  {
    title: 'retries that are not enough',
    agent: agent('fourth', flaky(4), { retry: { count: 2, delayMs: 10 } }),
    input: 'x',
    gives: 'Error',
  },
  {
    title: 'retries that a function decides',
    agent: agent('decided', flaky(3), {
      retry: {
        count: 5,
        delayMs: (_failure, attempt) => attempt * 5,
        retryIf: ({ message }) => message !== 'no 2',
      },
    }),
    input: 'x',
    gives: 'Error',
  },
  {
    title: 'an error that says not to try again',
    agent: agent('final', () => Promise.reject(Object.assign(new Error('never'), { retryable: false })), {
      retry: 3,
    }),
    input: 1,
    gives: 'Error',
  },
  {
    title: 'a workflow that is retried as a whole',
    agent: chain('whole', retried),
    input: 'x',
    gives: 'X at 2',
  },
  {
    title: 'a workflow that is retried as a whole, and a failure in it that a step has read',
    agent: chain('besides', retriedBeside),
    input: 'x',
    gives: { z: 'Left at 2', all: 'Left,Right' },
  },
  {
    title: 'a root that is retried as a whole',
    agent: withPolicy(chain('wholeRoot', upper, agent('flaky', flaky(3))), {
      retry: { count: 2, delayMs: 5 },
    }),
    input: 'x',
    gives: 'X at 3',
  },
  {
    title: 'a root whose retries a function decides',
    agent: withPolicy(chain('decidedRoot', upper, agent('flaky', flaky(3))), {
      retry: { count: 5, retryIf: ({ message }) => message !== 'no 2' },
    }),
    input: 'x',
    gives: 'Error',
  },
  {
    title: 'a root that takes too long',
    isInOneGo: true,
    // What hangs comes first: nothing has to be done in time.
    agent: withPolicy(chain('lateRoot', agent('hang', hang), upper), { timeoutMs: 40 }),
    input: 'x',
    gives: 'StepTimeoutError',
  },
  {
    title: 'a root with a limit and a cache',
    agent: withPolicy(chain('sharedRoot', upper), { limit: { concurrency: 1 }, cache: {}, critical: true }),
    input: 'x',
    gives: 'X',
  },
  {
    title: 'a link with a policy of its own',
    agent: chain(
      'patientLink',
      upper,
      withPolicy(
        branch('choose', () => 'one', { one: agent('flaky', flaky(2)) }),
        { retry: 1 },
      ),
    ),
    input: 'x',
    gives: 'X at 2',
  },
  {
    title: 'a step that takes too long',
    agent: agent('tooLong', hang, { timeoutMs: 40 }),
    input: 1,
    gives: 'StepTimeoutError',
  },
  {
    title: 'a circuit that opens, and closes behind a call that succeeds',
    agent: agent('breaking', flaky(3), {
      // It is half-open by the time of the third attempt, on a busy machine too.
      circuit: { failures: 2, openMs: 20 },
      retry: { count: 5, delayMs: 60 },
    }),
    input: 'x',
    gives: 'x at 3',
  },
  {
    title: 'a stream that falls silent',
    agent: agent('silent', () => concat(of(1), NEVER), { idleTimeoutMs: 40 }),
    input: 1,
    gives: 'StepTimeoutError',
  },
];
