import { concat, from, NEVER } from 'rxjs';

import { createLogger } from '../../lib/log/logger';
import type { RunFact } from '../../lib/model/event';
import type { LogToOptions } from '../../operators/taps/logTo';
import { logTo } from '../../operators/taps/logTo';
import { attempt, started, transitionsOf } from '../support/events';

const error = { name: 'Error', message: 'ETIMEDOUT', path: 'a', retryable: true };
const everyFact: readonly RunFact[] = [
  started,
  { type: 'step.started', ...attempt('a') },
  { type: 'step.emitted', ...attempt('a'), index: 0, value: 'v' },
  { type: 'step.logged', path: 'a', level: 'CRITICAL', message: 'said', data: { token: 't', n: 1 } },
  { type: 'step.logged', path: '', level: 'WARNING', message: 'of the run', data: [1] },
  { type: 'step.retrying', ...attempt('a'), error, delayMs: 5 },
  { type: 'step.completed', ...attempt('a'), output: { password: 'p', ok: 1 }, duration: 2 },
  { type: 'step.skipped', path: 'b', agent: 'b', reason: 'when' },
  { type: 'step.skipped', path: 'c', agent: 'c', reason: 'lost' },
  { type: 'step.started', ...attempt('d/e') },
  { type: 'step.failed', ...attempt('d/e'), error: { ...error, path: 'd/e' }, duration: 1 },
  { type: 'step.failed', ...attempt('d'), error: { ...error, path: 'd/e' }, duration: 1 },
  { type: 'step.cancelled', path: 'f' },
  { type: 'step.suspended', ...attempt('g'), request: 'ok?' },
  { type: 'step.answered', path: 'g', by: 'answer', value: 1 },
  { type: 'step.answered', path: 'g', by: 'deadline' },
  { type: 'run.failed', error: { ...error, path: 'd/e' }, duration: 9 },
];

function logged(facts: readonly RunFact[], options?: LogToOptions): string[] {
  const logger = createLogger({ level: 'DEBUG' });
  from(transitionsOf('r', facts)).pipe(logTo(logger, options)).subscribe();
  return logger.getLogs().map(({ level, component, message }) => `${level} ${component}: ${message}`);
}

describe('logTo()', () => {
  it('says every event at its level, for the step or the run it belongs to', () => {
    expect(logged(everyFact)).toEqual([
      'INFO w: run started',
      'DEBUG a: step started',
      'DEBUG a: step emitted',
      'CRITICAL a: said',
      'WARNING w: of the run',
      'WARNING a: attempt 1 failed, next in 5 ms: ETIMEDOUT',
      'INFO a: step completed',
      'DEBUG a: step output',
      'INFO b: step skipped: its condition was false',
      'INFO c: step skipped: another won',
      'DEBUG d/e: step started',
      'ERROR d/e: step failed: ETIMEDOUT',
      'ERROR d: step failed at step d/e',
      'INFO f: step cancelled',
      'INFO g: step waits for an answer',
      'INFO g: step was answered',
      'INFO g: step was not answered in time',
      'ERROR w: run failed at step d/e',
    ]);
  });

  it('dates entries by their events, names run, step, agent and attempt, and shows no secret', () => {
    const logger = createLogger({ level: 'DEBUG' });
    from(transitionsOf('r', everyFact)).pipe(logTo(logger)).subscribe();
    const of = (message: string) => logger.getLogs().find((entry) => entry.message === message);
    expect(of('step completed')).toEqual({
      timestamp: '1970-01-01T00:00:07.000Z',
      level: 'INFO',
      component: 'a',
      message: 'step completed',
      data: { runId: 'r', path: 'a', agent: 'a', attempt: 1, duration: 2 },
    });
    expect(of('step output')?.data).toEqual({
      runId: 'r',
      path: 'a',
      output: { password: '[redacted]', ok: 1 },
    });
    expect(of('said')?.data).toEqual({ runId: 'r', path: 'a', token: '[redacted]', n: 1 });
    expect(of('of the run')?.data).toEqual({ runId: 'r', path: '', data: [1] });
  });

  it('keeps what an agent logs, whatever it is, beside the run and the step', () => {
    const logger = createLogger();
    const say = (data: object): RunFact => ({
      type: 'step.logged',
      path: 'a',
      level: 'INFO',
      message: 'said',
      data,
    });
    const said = [
      say(new TypeError('boom')),
      say(new Map([['n', 1]])),
      say(new Date(0)),
      say({ path: '/etc', runId: 1 }),
      say(() => new Error('late')),
    ];
    from(transitionsOf('r', [started, ...said]))
      .pipe(logTo(logger))
      .subscribe();
    const at = { runId: 'r', path: 'a' };
    expect(logger.getLogs({ component: 'a' }).map(({ data }) => data)).toMatchObject([
      { ...at, error: { name: 'TypeError', message: 'boom' } },
      { ...at, data: { n: 1 } },
      { ...at, data: '1970-01-01T00:00:00.000Z' },
      { ...at, data: { path: '/etc', runId: 1 } },
      { ...at, error: { name: 'Error', message: 'late' } },
    ]);
  });

  it('tells an error in full once, where it began', () => {
    const logger = createLogger();
    from(transitionsOf('r', everyFact))
      .pipe(logTo(logger, { level: 'ERROR' }))
      .subscribe();
    const [cause, above, run] = logger.getLogs({ level: 'ERROR' }).map(({ data }) => data);
    expect(cause).toMatchObject({ error: { message: 'ETIMEDOUT' } });
    expect(above).toMatchObject({ failedStep: 'd/e' });
    expect(JSON.stringify([above, run])).not.toContain('ETIMEDOUT');
  });

  it('tells an error of the run itself in full', () => {
    const fact: RunFact = {
      type: 'run.failed',
      error: { name: 'StorageError', message: 'ENOSPC', retryable: true },
      duration: 1,
    };
    expect(logged([started, fact])).toContain('ERROR w: run failed: ENOSPC');
  });

  it('leaves out what is below its level and events that were not asked for', () => {
    expect(logged(everyFact, { level: 'CRITICAL' })).toEqual(['CRITICAL a: said']);
    expect(logged(everyFact, { events: ['step.skipped'] })).toHaveLength(2);
    expect(logged(everyFact, { events: ['step.failed', 'run.failed'], level: 'ERROR' })).toHaveLength(3);
  });

  it('says how runs end, are resumed, and are told again', () => {
    expect(
      [
        logged([started, { type: 'run.completed', output: 1, duration: 3 }]),
        logged([started, { type: 'run.suspended', waiting: ['a', 'b'], duration: 3 }]),
        logged([started, { type: 'run.suspended', waiting: [], reason: 'drain', duration: 3 }]),
        logged([
          { type: 'run.resumed', life: 2, reused: 3 },
          { type: 'run.cancelled', duration: 3, reason: 'stop' },
        ]),
        logged([{ type: 'run.resumed', life: 2, reused: 3, plan: [], dropped: ['x'] }]),
        logged([{ type: 'run.completed', output: 1, duration: 3, replayed: true }]),
      ].map((lines) => lines.join(' | ')),
    ).toEqual([
      'INFO w: run started | INFO w: run completed',
      'INFO w: run started | INFO w: run waits for a, b',
      'INFO w: run started | INFO w: run stopped: it goes on when it is served again',
      'INFO w: run resumed: 3 finished steps are reused | WARNING w: run cancelled',
      'WARNING w: run resumed: 3 finished steps are reused',
      'INFO w: run had completed before, nothing ran',
    ]);
  });

  it('says why a step is skipped, as progress() does', () => {
    const skipped = (['when', 'lost', 'upstream', 'abandoned'] as const).map((reason): RunFact => ({
      type: 'step.skipped',
      path: reason,
      agent: 'a',
      reason,
    }));
    expect(logged(skipped)).toEqual([
      'INFO when: step skipped: its condition was false',
      'INFO lost: step skipped: another won',
      'INFO upstream: step skipped: what it needs has failed',
      'INFO abandoned: step skipped: nobody needs it any more',
    ]);
  });

  it('counts the cancel that somebody who leaves early does not hear', () => {
    const logger = createLogger();
    concat(from(transitionsOf('r', [started])), NEVER)
      .pipe(logTo(logger))
      .subscribe()
      .unsubscribe();
    expect(logger.getLogs().at(-1)).toMatchObject({
      level: 'WARNING',
      component: 'w',
      message: 'run cancelled',
      data: { runId: 'r' },
    });
  });

  it('reads no state but the one of a life that begins with a resume', () => {
    const read = jest.fn();
    from(transitionsOf('r', everyFact, read))
      .pipe(logTo(createLogger({ level: 'DEBUG' })))
      .subscribe();
    expect(read).not.toHaveBeenCalled();
  });
});
