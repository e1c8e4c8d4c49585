/*
 * Runs chains of 100 steps through `runEach` with a store and every tap on, until so many events have passed; pauses thirty times
 * with nothing under way, and then looks at the heap and at what the process holds open. Args: folder, events.
 */
import { join } from 'node:path';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import {
  agent,
  alertOn,
  chain,
  createLogger,
  createMonitor,
  executionHistory,
  logTo,
  lowdbStore,
  measure,
  pulled,
  record,
  runEach,
} from '../../../index';

const STEPS = 100;
const SAMPLES = 30;

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** What was seen at one pause. */
export interface Sample {
  readonly events: number;
  /** Bytes after collecting garbage, without compiled code: V8 compiles the same functions better for minutes. */
  readonly heap: number;
  readonly handles: number;
}

async function main(): Promise<void> {
  const [folder = '', events = '0'] = process.argv.slice(2);
  // One name for all: numbers are kept by name, and how many buckets of durations a name has grows for a while.
  const step = agent('step', async ({ n }: { n: number }) => Promise.resolve({ n: n + 1 }));
  const work = chain('work', ...Array.from({ length: STEPS }, () => step));
  const store = lowdbStore(join(folder, 'state'), { durability: 'end' });
  const monitor = createMonitor();
  const logger = createLogger({ level: 'DEBUG', file: join(folder, 'log') });
  const history = executionHistory(latestLogs(20));
  const samples: Sample[] = [];
  let seen = 0;
  let underWay = 0;
  let alerts = 0;
  let wake = (): void => undefined;

  const rested = async (): Promise<void> => {
    while (underWay > 0) await new Promise<void>((resolve) => (wake = resolve));
    // As any service that runs for long: what has ended is forgotten some time.
    await store.prune({ keep: 20, olderThanMs: 0 });
    gc();
    gc();
    const handles = process.getActiveResourcesInfo().length;
    samples.push({ events: seen, heap: heapUsed(), handles });
  };
  async function* inputs(): AsyncGenerator<{ n: number }> {
    const every = Number(events) / SAMPLES;
    for (let next = every; seen < Number(events);) {
      underWay += 1;
      yield { n: 0 };
      if (seen < next) continue;
      await rested();
      next += every;
    }
  }

  const runs$ = pulled(inputs()).pipe(
    runEach(work, { store, concurrency: 8 }),
    logTo(logger),
    measure(monitor),
    record(history),
    alertOn({ failing: ({ failureRate }) => failureRate > 30 }, () => (alerts += 1)),
  );
  await new Promise<void>((resolve, reject) => {
    runs$.subscribe({
      next({ event }) {
        seen += 1;
        if (event.type !== 'run.completed') return;
        underWay -= 1;
        if (underWay === 0) wake();
      },
      error: reject,
      complete: resolve,
    });
  });
  await store.close();
  const { executions } = monitor.getMetrics('work');
  console.log(JSON.stringify({ samples, events: seen, runs: executions, alerts }));
}

function heapUsed(): number {
  return getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !name.includes('code'))
    .reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
}

/** Keeps the newest logs and forgets the others. */
function latestLogs(count: number): Parameters<typeof executionHistory>[0] {
  type Log = Parameters<Parameters<typeof executionHistory>[0]['save']>[0];
  const logs = new Map<string, Log>();
  return {
    save(log) {
      logs.delete(log.logId);
      logs.set(log.logId, log);
      for (const logId of [...logs.keys()].slice(0, -count)) logs.delete(logId);
      return Promise.resolve();
    },
    load: (logId) => Promise.resolve(logs.get(logId)),
    list: () => Promise.resolve([]),
  };
}

void main();
