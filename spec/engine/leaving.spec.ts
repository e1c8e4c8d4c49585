import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { agent, run } from '../../index';
import { collect } from '../support/told';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

const WORK_MS = 700;
const finished: string[] = [];

const slow = agent('left early', async (_: number, { runId, signal }) => {
  await new Promise((resolve) => setTimeout(resolve, WORK_MS));
  if (!signal.aborted) finished.push(runId);
  return runId;
});

describePlacements('a run that is left', [slow], (options, placed) => {
  it('while it begins does not go on, whenever that is', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `${placed} left ${n}`);
    for (const [n, runId] of ids.entries()) {
      const left = collect(run(slow, n, { ...options, runId }));
      await new Promise((resolve) => setTimeout(resolve, n % 6));
      left.leave?.();
      // Long enough for the next one to find a connection that is kept.
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await new Promise((resolve) => setTimeout(resolve, WORK_MS + 300));
    expect(finished.filter((runId) => runId.startsWith(`${placed} left`))).toEqual([]);
    for (const runId of ids) await waitFor(() => isOver(options.engine, runId), 5_000, runId);
  });

  it('after its signal was aborted is cancelled too', async () => {
    const runId = `${placed} aborted`;
    const stop = new AbortController();
    const left = collect(run(slow, 1, { ...options, runId, signal: stop.signal }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort();
    left.leave?.();

    // It may not have begun at all.
    await new Promise((resolve) => setTimeout(resolve, WORK_MS + 300));
    await waitFor(() => isOver(options.engine, runId), 5_000, 'the end');
    expect(finished).not.toContain(runId);
  });
});

async function isOver(engine: RestateEngine, runId: string): Promise<boolean> {
  return ['CANCELLED', 'IDLE', undefined].includes((await engine.loadRun(slow, runId))?.status);
}
