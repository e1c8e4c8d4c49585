import { concat, delay, from, lastValueFrom, of, toArray } from 'rxjs';

import { eventsSoFar } from '../../cli/commands/eventCommands';
import { stateAt } from '../../cli/runNames';
import { agent, execute, memoryStore } from '../../index';
import type { KeptEvent } from '../../lib/store/store';

describe('a store whose disk takes its time', () => {
  it('has all events of a run that rests, and its state at each', async () => {
    const store = memoryStore();
    await execute(
      agent('greet', () => 'hello'),
      undefined,
      { store, runId: 'r' },
    );
    const kept = await lastValueFrom(store.events('r').pipe(toArray()));
    const last = kept.at(-1) as KeptEvent;
    const slow = {
      ...store,
      events: () => concat(from(kept.slice(0, -1)), of(last).pipe(delay(1_100))),
    };

    const seen = await lastValueFrom(eventsSoFar(slow, { runId: 'r', status: 'COMPLETED' }).pipe(toArray()));
    expect(seen).toEqual(kept);
    expect((await stateAt(slow, 'r', kept.length)).status).toBe('COMPLETED');
  });
});
