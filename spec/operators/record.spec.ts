import { concat, from, NEVER } from 'rxjs';

import { memoryHistory } from '../../lib/history/memoryHistory';
import type { RunFact } from '../../lib/model/event';
import { record } from '../../operators/taps/record';
import { attempt, started, transitionsOf } from '../support/events';

const error = { name: 'E', message: 'm', retryable: true };
/** Some turns of the event loop later: a timer may come before what another turn was to do. */
const soon = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

async function recorded(...lives: readonly (readonly RunFact[])[]) {
  const history = memoryHistory();
  for (const facts of lives) from(transitionsOf('r', facts)).pipe(record(history)).subscribe();
  await soon();
  const logs = await history.listLogs();
  return Promise.all(logs.map(({ logId }) => history.getLog(logId)));
}

describe('record()', () => {
  it('writes a log with a line for each step that ended', async () => {
    const [log] = await recorded([
      started,
      { type: 'step.started', ...attempt('a') },
      { type: 'step.completed', ...attempt('a'), output: 1, duration: 2.5 },
      { type: 'step.skipped', path: 'b', agent: 'b', reason: 'when' },
      { type: 'step.started', ...attempt('c') },
      { type: 'step.failed', ...attempt('c'), error, duration: 1 },
      { type: 'run.failed', error, duration: 4 },
    ]);
    expect(log).toMatchObject({
      logId: 'r',
      workflowName: 'w',
      status: 'failed',
      endTime: expect.any(String),
    });
    expect(log?.steps.map(({ stepName, status, duration }) => [stepName, status, duration])).toEqual([
      ['a', 'completed', 2.5],
      ['b', 'skipped', 0],
      ['c', 'failed', 1],
    ]);
  });

  it('writes one log for each life, and none for an end that is only told again', async () => {
    const logs = await recorded(
      [started, { type: 'run.suspended', waiting: ['a'], duration: 1 }],
      [
        { type: 'run.resumed', life: 2, reused: 0 },
        { type: 'run.cancelled', duration: 1 },
      ],
      [
        { type: 'run.resumed', life: 3, reused: 0 },
        { type: 'run.completed', output: 1, duration: 1 },
      ],
      [{ type: 'run.completed', output: 1, duration: 1, replayed: true }],
    );
    expect(logs.map(({ logId, status }) => `${logId} ${status}`).sort()).toEqual([
      'r suspended',
      'r#2 cancelled',
      'r#3 completed',
    ]);
  });

  it('ends the log of a life that broke off without an end when the next one begins', async () => {
    const logs = await recorded([
      started,
      { type: 'step.started', ...attempt('a') },
      { type: 'run.resumed', life: 2, reused: 0 },
      { type: 'run.completed', output: 1, duration: 1 },
    ]);
    expect(logs.map(({ logId, status }) => `${logId} ${status}`).sort()).toEqual([
      'r failed',
      'r#2 completed',
    ]);
  });

  it('ends the log of a run that everybody has left', async () => {
    const history = memoryHistory();
    concat(from(transitionsOf('r', [started])), NEVER)
      .pipe(record(history))
      .subscribe()
      .unsubscribe();
    await soon();
    expect(await history.getLog('r')).toMatchObject({ status: 'cancelled' });
  });

  it('makes the calls in order, however slow the history is, and loses what exceeds the queue', async () => {
    const calls: string[] = [];
    const errors: unknown[] = [];
    const slow = (name: string) => async (): Promise<never> => {
      calls.push(`${name} begins`);
      await soon();
      calls.push(`${name} ends`);
      return undefined as never;
    };
    const steps = ['a', 'b', 'c'].map((path): RunFact => ({
      type: 'step.skipped',
      path,
      agent: path,
      reason: 'when',
    }));
    from(transitionsOf('r', [started, ...steps, { type: 'run.completed', output: 1, duration: 1 }]))
      .pipe(
        record(
          { createLog: slow('create'), addStepResult: slow('add'), completeLog: slow('complete') },
          { queue: 3, onTapError: (error) => errors.push(error) },
        ),
      )
      .subscribe();
    while (calls.length < 8) await soon();
    await soon();
    expect(calls).toEqual(
      ['create', 'add', 'add', 'complete'].flatMap((name) => [`${name} begins`, `${name} ends`]),
    );
    expect(errors).toEqual([
      expect.objectContaining({ message: 'more than 3 lines wait for the history, one is lost' }),
    ]);
  });

  it('loses no line of a run that lets nobody else work meanwhile', async () => {
    const history = memoryHistory();
    const steps = Array.from({ length: 10_100 }, (_, i): RunFact => ({
      type: 'step.skipped',
      path: `s${i}`,
      agent: 'a',
      reason: 'when',
    }));
    from(transitionsOf('r', [started, ...steps, { type: 'run.completed', output: 1, duration: 1 }]))
      .pipe(record(history))
      .subscribe();
    // Not the log itself: each look at it copies its steps.
    do await soon();
    while ((await history.listLogs())[0]?.status !== 'completed');
    expect((await history.getLog('r')).steps).toHaveLength(10_100);
  });

  it('writes what is left of a run that it joins midway', async () => {
    const history = memoryHistory();
    const all = transitionsOf('r', [
      started,
      { type: 'step.skipped', path: 'a', agent: 'a', reason: 'when' },
      { type: 'step.skipped', path: 'b', agent: 'b', reason: 'when' },
      { type: 'run.completed', output: 1, duration: 1 },
    ]);
    from(all.slice(2)).pipe(record(history)).subscribe();
    await soon();
    expect(await history.getLog('r')).toMatchObject({ status: 'completed', steps: [{ stepName: 'b' }] });
  });
});
