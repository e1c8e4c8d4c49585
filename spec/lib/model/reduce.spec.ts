import fc from 'fast-check';

import type { RunEvent } from '../../../lib/model/event';
import { openFailures } from '../../../lib/model/openFailures';
import { reduceRun, reduceRunAll, refusal } from '../../../lib/model/reduce';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { arbitraryEvents } from '../../support/arbitraryEvents';

const plan = [{ path: 'a', kind: 'function', agent: 'agent a', sources: ['input'] }] as const;
const idle: RunState = idleState('r', 'work', plan);

function after(...events: readonly Partial<RunEvent>[]): RunState {
  return events.reduce<RunState>(
    (state, event, index) =>
      reduceRun(state, { runId: 'r', seq: index + 1, at: 0, agent: 'agent a', ...event } as RunEvent),
    idle,
  );
}

const started = { type: 'run.started', name: 'work', input: 1, plan } as const;
const stepStarted = { type: 'step.started', path: 'a', attempt: 1 } as const;
const stepCompleted = { type: 'step.completed', path: 'a', attempt: 1, output: 2, duration: 0.5 } as const;

describe('reduceRun()', () => {
  it('leads a step from PENDING over RUNNING to COMPLETED', () => {
    expect(idle.steps.get('a')?.status).toBe('PENDING');
    expect(after(started, stepStarted).steps.get('a')?.status).toBe('RUNNING');
    expect(after(started, stepStarted, stepCompleted).steps.get('a')).toMatchObject({
      stepId: 'a',
      agent: 'agent a',
      status: 'COMPLETED',
      output: 2,
      duration: 0.5,
      error: null,
      timestamp: '1970-01-01T00:00:00.000Z',
      attempts: 1,
    });
  });

  it('goes on from a state, and from an imported run, that came as JSON', () => {
    const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
    const before = after(started, stepStarted, stepCompleted);
    const end = { type: 'run.completed', runId: 'r', seq: 4, at: 9, output: 2, duration: 1 } as const;
    const imported: RunEvent = { type: 'run.imported', runId: 'r', seq: 3, at: 8, state: before };
    const known = reduceRun(before, end);

    for (const state of [
      reduceRun(throughJson(before), end),
      reduceRunAll(idle, throughJson([imported, end])),
    ]) {
      expect(state.steps.get('a')?.output).toBe(2);
      expect(throughJson(state)).toEqual(throughJson(known));
    }
  });

  it.each([
    ['a second start of the run', [started], started],
    ['a step before the run has started', [], stepStarted],
    ['an end of a step that does not run', [started], stepCompleted],
    ['a start of a step that has completed', [started, stepStarted, stepCompleted], stepStarted],
    [
      'a resume of a run that has completed',
      [started, { type: 'run.completed' as const }],
      { type: 'run.resumed' as const, life: 2 },
    ],
    ['an event of another run', [started], { ...stepStarted, runId: 'other' }],
  ])('refuses %s, and says why', (_what, before, event) => {
    const state = after(...before);
    const whole = { runId: 'r', seq: 9, at: 0, ...event } as RunEvent;

    expect(reduceRun(state, whole)).toBe(state);
    expect(refusal(state, whole)).toEqual(expect.any(String));
  });

  it.each([-1, 0])(
    'gives the very same state for a refused event whose row is known to stand at %d',
    (position) => {
      const state = after(started);
      const refused = { runId: 'other', seq: 2, at: 0, agent: 'agent a', ...stepStarted } as RunEvent;

      expect(reduceRunAll(state, [refused], [{ position }])).toBe(state);
    },
  );

  it('tries a step again that was running when the process died, and counts the crash', () => {
    const state = after(started, stepStarted, { type: 'run.resumed', life: 2, reused: 0 });

    expect(state.steps.get('a')).toMatchObject({ status: 'PENDING', crashes: 1 });
    expect(state.life).toBe(2);
  });

  it('does not count a cancelled or a failed life as a crash', () => {
    const state = after(
      started,
      stepStarted,
      { type: 'run.cancelled', duration: 0 },
      { type: 'run.resumed', life: 2, reused: 0 },
    );

    expect(state.steps.get('a')).toMatchObject({ status: 'PENDING' });
    expect(state.steps.get('a')).not.toHaveProperty('crashes');
  });

  it('tries again what led to the failure of the run and what failed below it, and keeps a contained failure', () => {
    const fail = (path: string) => [
      { type: 'step.started' as const, path, attempt: 1 },
      {
        type: 'step.failed' as const,
        path,
        attempt: 1,
        duration: 0,
        error: { name: 'E', message: '', retryable: true },
      },
    ];
    const state = after(
      started,
      ...fail('contained'),
      ...fail('outer/inner'),
      ...fail('outer/other'),
      ...fail('outer'),
      {
        type: 'run.failed',
        error: { name: 'E', message: '', path: 'outer/inner', retryable: true },
        duration: 0,
      },
      { type: 'run.resumed', life: 2, reused: 0 },
    );

    const statuses = Object.fromEntries([...state.steps].map(({ stepId, status }) => [stepId, status]));
    expect(statuses).toMatchObject({
      contained: 'FAILED',
      'outer/inner': 'PENDING',
      'outer/other': 'PENDING',
      outer: 'PENDING',
    });
  });

  it('tries again what a resume names, and takes what is contained as a fact until it is exposed', () => {
    const failed = (path: string, more: object = {}) => ({
      type: 'step.failed' as const,
      path,
      agent: path,
      attempt: 1,
      duration: 0,
      error: { name: 'E', message: '', path, retryable: true },
      ...more,
    });
    const error = { name: 'E', message: '', retryable: true };
    const state = after(
      started,
      failed('fact', { contained: true }),
      failed('quorum', { contained: true }),
      failed('last', { exposes: ['quorum'] }),
      { type: 'run.failed', error, duration: 0 },
    );
    expect(openFailures(state.steps).map(({ stepId }) => stepId)).toEqual(['quorum', 'last']);

    const resumed = reduceRun(state, {
      type: 'run.resumed',
      runId: state.runId,
      seq: state.seq + 1,
      at: 1,
      life: 2,
      reused: 0,
      opened: ['quorum', 'last'],
    });
    const statuses = Object.fromEntries([...resumed.steps].map(({ stepId, status }) => [stepId, status]));
    expect(statuses).toMatchObject({ fact: 'FAILED', quorum: 'PENDING', last: 'PENDING' });
    expect(resumed.steps.get('fact')?.contained).toBe(true);
  });

  it('leaves what it was given as it was, and freezes only its own records', () => {
    const input = { list: [1] };
    const output = { map: { deep: true } };
    const state = after({ ...started, input }, stepStarted, { ...stepCompleted, output });

    expect(Object.isFrozen(input)).toBe(false);
    expect(Object.isFrozen(output.map)).toBe(false);
    expect(state.steps.get('a')?.output).toBe(output);
    expect(Object.isFrozen(state)).toBe(true);
    expect(Object.isFrozen(state.steps.get('a'))).toBe(true);
    expect(idle.status).toBe('IDLE');
  });

  it('is total, keeps its input, and gives the same for a batch as one by one', () => {
    fc.assert(
      fc.property(arbitraryEvents, (events) => {
        const before = JSON.stringify(idle);
        let one = idle;
        for (const event of events) {
          const next = reduceRun(one, event);
          if (refusal(one, event) !== undefined) expect(next).toBe(one);
          one = next;
        }
        expect(JSON.stringify(reduceRunAll(idle, events))).toBe(JSON.stringify(one));
        expect(reduceRunAll(idle, events)).toEqual(one);
        expect(JSON.stringify(idle)).toBe(before);
      }),
    );
  });

  it('gives the state of the whole run from any state on the way', () => {
    fc.assert(
      fc.property(arbitraryEvents, fc.nat(), (events, at) => {
        const cut = at % (events.length + 1);
        const half = reduceRunAll(idle, events.slice(0, cut));
        expect(reduceRunAll(half, events.slice(cut))).toEqual(reduceRunAll(idle, events));
      }),
    );
  });

  it('leaves COMPLETED and SKIPPED steps as they are, whatever comes', () => {
    fc.assert(
      fc.property(arbitraryEvents, (events) => {
        let state = idle;
        for (const event of events) {
          const next = reduceRun(state, event);
          if (event.type !== 'run.started') {
            for (const step of state.steps) {
              if (step.status === 'COMPLETED' || step.status === 'SKIPPED') {
                expect(next.steps.get(step.stepId)).toBe(step);
              }
            }
          }
          state = next;
        }
      }),
    );
  });
});
