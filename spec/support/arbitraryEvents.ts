import fc from 'fast-check';

import type { RunEvent } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import type { Plan } from '../../lib/model/plan';

const plan: Plan = ['a', 'b', 'c'].map((path) => ({
  path,
  kind: 'function',
  agent: `agent ${path}`,
  sources: [],
}));

const failure: fc.Arbitrary<Failure> = fc.record({
  name: fc.constantFrom('Error', 'TypeError'),
  message: fc.string({ maxLength: 5 }),
  path: fc.constantFrom('a', 'b', 'c', 'c/d'),
  retryable: fc.boolean(),
});

const step = { path: fc.constantFrom('a', 'b', 'c', 'c/d', 'c[1]/e'), agent: fc.constant('agent') };
const attempt = { attempt: fc.integer({ min: 1, max: 3 }) };
const duration = { duration: fc.nat({ max: 5 }) };
const paths = fc.subarray(['a', 'b', 'c', 'c/d', 'c[1]/e']);
const value = fc.jsonValue({ maxDepth: 1 });

function event<T extends RunEvent['type'], R extends object>(
  type: T,
  fields: { [K in keyof R]: fc.Arbitrary<R[K]> },
) {
  return fc.record({ type: fc.constant(type), runId: fc.constant('r'), at: fc.nat({ max: 1e6 }), ...fields });
}

const any = fc.oneof(
  event('run.started', { name: fc.constant('work'), input: value, plan: fc.constant(plan) }),
  event('run.resumed', { life: fc.integer({ min: 2, max: 5 }), reused: fc.nat({ max: 3 }) }),
  event('run.resumed', { life: fc.constant(3), reused: fc.constant(0), opened: paths }),
  event('step.started', { ...step, ...attempt }),
  event('step.emitted', { ...step, ...attempt, index: fc.nat({ max: 3 }), value }),
  event('step.logged', { path: step.path, level: fc.constant('INFO'), message: fc.string() }),
  event('step.retrying', { ...step, ...attempt, error: failure, delayMs: fc.nat() }),
  event('step.completed', { ...step, ...attempt, ...duration, output: value }),
  event('step.completed', {
    ...step,
    ...attempt,
    ...duration,
    output: value,
    givenBy: fc.constantFrom('x', null, { id: 'x', by: { items: { 1: 'y' }, gaps: [0] } }),
  }),
  event('step.failed', { ...step, ...attempt, ...duration, error: failure }),
  event('step.failed', {
    ...step,
    ...attempt,
    ...duration,
    error: failure,
    contained: fc.constant(true),
    exposes: paths,
  }),
  event('step.skipped', { ...step, reason: fc.constantFrom('when', 'lost') }),
  event('step.cancelled', { path: step.path }),
  event('step.suspended', { ...step, ...attempt, request: value }),
  event('step.answered', { path: step.path, by: fc.constantFrom('answer', 'deadline') }),
  event('run.completed', { ...duration, output: value }),
  event('run.failed', { ...duration, error: failure }),
  event('run.suspended', { ...duration, waiting: fc.constant(['a']) }),
  event('run.cancelled', duration),
  event('run.cancelled', { ...duration, error: failure }),
);

/** Events of one run in any order, legal or not, numbered as they come. Most sequences begin with `run.started`. */
export const arbitraryEvents: fc.Arbitrary<readonly RunEvent[]> = fc
  .tuple(fc.boolean(), fc.array(any, { maxLength: 40 }))
  .map(([begins, events]) => {
    const first = { type: 'run.started', runId: 'r', at: 1, name: 'work', input: 1, plan };
    return [...(begins ? [first] : []), ...events].map(
      (each, index) => ({ ...each, seq: index + 1 }) as RunEvent,
    );
  });
