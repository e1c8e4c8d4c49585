import type { TickEngine } from '../../adapters/restate/client/scheduledRuns';
import { beginScheduledRuns } from '../../adapters/restate/client/scheduledRuns';
import type { RunState } from '../../index';
import { agent, schedule } from '../../index';

const at = (second: number): string => `often@1970-01-01T00:00:0${String(second)}.000Z`;
const often = agent('often', () => 1);

/** A server with these runs, which takes what is handed over and begins nothing. */
function fakeEngine() {
  const runs = new Map<string, RunState['status']>();
  const submitted: string[] = [];
  const engine: TickEngine = {
    cancel: () => Promise.resolve(),
    loadRun: (_, runId) =>
      Promise.resolve(runs.has(runId) ? ({ status: runs.get(runId) } as never) : undefined),
    submit(_, _input, { runId }) {
      submitted.push(runId);
      runs.set(runId, 'IDLE');
      return Promise.resolve({ became: 'queued' });
    },
  };
  return { engine, runs, submitted };
}

describe('a schedule that a worker of Restate serves', () => {
  let stop = (): void => undefined;
  beforeEach(() => {
    jest.useFakeTimers({ now: 500 });
  });
  afterEach(() => {
    stop();
    jest.useRealTimers();
  });

  it('skips a tick while another worker carries out the run of the one before, which was skipped here', async () => {
    const { engine, runs, submitted } = fakeEngine();
    stop = beginScheduledRuns(engine, [schedule('1 second', often)]);
    await jest.advanceTimersByTimeAsync(1_000);
    runs.set(at(1), 'RUNNING');
    await jest.advanceTimersByTimeAsync(1_000);
    // The other one has looked a moment later.
    runs.set(at(1), 'COMPLETED').set(at(2), 'RUNNING');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(submitted).toEqual([at(1)]);

    runs.set(at(2), 'COMPLETED');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(submitted).toEqual([at(1), at(4)]);
  });

  it('skips a tick while the server has the run of the one before, and nobody has begun it', async () => {
    const { engine, runs, submitted } = fakeEngine();
    stop = beginScheduledRuns(engine, [schedule('1 second', often)]);
    await jest.advanceTimersByTimeAsync(2_000);
    expect(submitted).toEqual([at(1)]);

    runs.set(at(1), 'COMPLETED');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(submitted).toEqual([at(1), at(3)]);
  });
});
