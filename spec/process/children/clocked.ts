/*
 * Carries out one run after another while somebody else turns the clock of this process.
 *
 *   child <folder> <runs>
 */
import { delay, lastValueFrom, of, tap } from 'rxjs';

import { agent, chain, lowdbStore, run, sleep } from '../../../index';

const [folder = '', runs = '1'] = process.argv.slice(2);

const step = (name: string) =>
  agent(
    name,
    (x: number, { attempt }) => {
      if (attempt === 1 && name === 'flaky') throw new Error('once');
      return of(x + 1).pipe(delay(40));
    },
    { retry: { count: 2, delayMs: 20 }, timeoutMs: 5_000, idleTimeoutMs: 5_000 },
  );
const work = chain('clocked', step('first'), step('flaky'), sleep('pause', 100), step('last'));

async function all(): Promise<void> {
  const store = lowdbStore(folder);
  const dates = new Set<string>();
  for (let index = 0; index < Number(runs); index += 1) {
    const { state } = await lastValueFrom(
      run(work, 0, { store, runId: `run ${String(index)}` }).pipe(
        tap(({ event }) => dates.add(new Date(event.at).toISOString().slice(0, 10))),
      ),
    );
    const durations = [...state.steps].map(({ duration }) => duration);
    console.log(state.status, state.output, Math.min(...durations), Math.max(...durations));
  }
  console.log('days', dates.size);
  await store.close();
}

void all();
