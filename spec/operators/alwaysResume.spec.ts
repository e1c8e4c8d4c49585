import { setTimeout as wait } from 'node:timers/promises';

import { lastValueFrom, scan, takeWhile } from 'rxjs';

import { execute, memoryStore, run } from '../../index';
import type { RunState, Store } from '../../index';
import { isJournaled } from '../../lib/model/event';
import type { EngineCase } from '../contract/engineCase';
import { engineCases } from '../contract/engineCases';
import { storeOn } from '../lib/store/support/crash';
import { MemoryFiles } from '../lib/store/support/memoryFiles';
import { tally } from '../support/torture';

interface Seen {
  readonly count: number;
  readonly state: RunState | undefined;
}

/** One life that is left after so many journaled events, if it has not ended by then. */
async function liveFor(
  events: number,
  { agent, input, title }: EngineCase,
  store: Store,
): Promise<RunState | undefined> {
  const life = run(agent, input as never, { store, runId: title }).pipe(
    scan(({ count }: Seen, { event, state }) => ({ count: count + (isJournaled(event) ? 1 : 0), state }), {
      count: 0,
      state: undefined,
    }),
    takeWhile(({ count }) => count < events, true),
  );
  const last = await lastValueFrom(life).catch(() => undefined);
  return last?.state;
}

// Each life may take an event more than the one before: it has to get past what it does again.
describe('a run that is left and resumed again and again, in a store that is opened anew each time', () => {
  it.each(engineCases.map((each) => [each.title, each] as const))(
    '%s: gives what it gives in one go (promises test 9)',
    async (title, each) => {
      const whole = await execute(each.agent, each.input as never, {
        store: memoryStore(),
        runId: `${title}, in one go`,
      });
      const files = new MemoryFiles();
      let store = storeOn(files);
      let state: RunState | undefined;
      for (let events = 2; events < 60 && state?.status !== 'COMPLETED'; events += 1) {
        state = await liveFor(events, each, store);
        await store.close();
        store = storeOn(files);
        tally('lives', 1);
        if (state?.status === 'SUSPENDED') await wait(20);
        if (state === undefined && whole.status === 'FAILED') break;
      }
      // Another life is another chance, so what fails in one go may complete here, or ask its question again.
      if (whole.status === 'COMPLETED') expect(state?.output).toEqual(whole.output);
      else expect((await store.loadRun(title))?.status).toMatch(/FAILED|COMPLETED|SUSPENDED/);
    },
  );
});
