import { getEventListeners } from 'node:events';

import { restateEngine } from '../../adapters/restate/client/restateEngine';
import { agent, chain, run } from '../../index';

const job = chain(
  'job',
  agent('plus', (n: number) => n + 1),
);

describe('restateEngine()', () => {
  it('has one listener on a signal, however many runs share it', async () => {
    // Nobody listens on port 1.
    const engine = restateEngine({
      ingress: 'http://127.0.0.1:1',
      onUnsubscribe: 'detach',
      patienceMs: 60_000,
    });
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const { signal } = new AbortController();
    let failed = 0;
    const runs = Array.from({ length: 30 }, (_, i) =>
      run(job, i, { engine, runId: `r${i}`, signal }).subscribe({ error: () => (failed += 1) }),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));

    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    for (const each of runs) each.unsubscribe();
    expect(failed).toBe(0);
    expect(warned).not.toHaveBeenCalled();
    warned.mockRestore();
  });
});
