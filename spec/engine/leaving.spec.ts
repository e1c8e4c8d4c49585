import type { RestateEngine } from '../../adapters/restate/client/restateEngine';
import { agent, run } from '../../index';
import { collect } from '../support/told';
import { describePlacements } from './support/placements';
import { waitFor } from './support/restateServer';

/** Which runs have called the function, and of which it was told that nobody waits any more: it never ends by itself. */
const begun = new Set<string>();
const aborted = new Set<string>();

const endless = agent('left early', async (_: number, { runId, signal }) => {
  begun.add(runId);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  aborted.add(runId);
  return runId;
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** Time for what has been left to begin all the same. */
const LATE_MS = 1_000;

describePlacements('a run that is left', [endless], (options, placed) => {
  it('while it begins does not go on, whenever that is', async () => {
    const ids = Array.from({ length: 30 }, (_, n) => `${placed} left ${n}`);
    for (const [n, runId] of ids.entries()) {
      const left = collect(run(endless, n, { ...options, runId }));
      await pause(n % 6);
      left.leave?.();
      // Long enough for the next one to find a connection that is kept.
      await pause(30);
    }
    await pause(LATE_MS);
    for (const runId of ids) await waitFor(() => isOver(options.engine, runId), 5_000, runId);
  });

  it('after its signal was aborted is cancelled too', async () => {
    const runId = `${placed} aborted`;
    const stop = new AbortController();
    const left = collect(run(endless, 1, { ...options, runId, signal: stop.signal }));
    await pause(5);
    stop.abort();
    left.leave?.();

    // It may not have begun at all.
    await pause(LATE_MS);
    await waitFor(() => isOver(options.engine, runId), 5_000, 'the end');
  });
});

/** Whether a run has been cancelled, or has never begun, and its function has been told. */
async function isOver(engine: RestateEngine, runId: string): Promise<boolean> {
  const { status } = (await engine.loadRun(endless, runId)) ?? {};
  return ['CANCELLED', 'IDLE', undefined].includes(status) && aborted.has(runId) === begun.has(runId);
}
