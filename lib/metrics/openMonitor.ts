import { toFailure } from '../model/failure';
import type { MetricsStore } from './metricsStore';
import type { Monitor, MonitorOptions } from './monitor';
import { createMonitor } from './monitor';

/**
 * Makes a monitor that goes on with the numbers and the alerts of the last one, and keeps its own: after each run that ends
 * and each alert, at most one write at a time, and when it is closed. A write that fails is reported and the next one is tried again.
 *
 * What the conditions of `alert()` remember is kept: whether `above` has fired, and what `failureRateOver` has counted. What operators of
 * RxJS hold begins anew.
 *
 * @throws MetricsFileError when the store holds something else.
 * @example
 * ```ts
 * const monitor = await openMonitor(metricsFile('./metrics.json'));
 * ```
 */
export async function openMonitor(
  store: MetricsStore,
  options: Omit<MonitorOptions, 'saved'> = {},
): Promise<Monitor> {
  const saved = await store.load();
  const monitor = createMonitor(saved === undefined ? options : { ...options, saved });
  let writing: Promise<void> | undefined;
  let isStale = false;
  let hasTold = false;

  const write = async (): Promise<void> => {
    while (isStale) {
      // The end of a run and the alerts it leads to are one write.
      await Promise.resolve();
      isStale = false;
      try {
        await store.save(monitor.save());
      } catch (error) {
        if (!hasTold)
          process.emitWarning(`Metrics are not saved: ${toFailure(error).message}`, 'MillraceWarning');
        hasTold = true;
      }
    }
    writing = undefined;
  };
  const request = (): Promise<void> => {
    isStale = true;
    return (writing ??= write());
  };

  monitor.alerts$.subscribe({ next: () => void request(), error: () => undefined });

  return {
    ...monitor,
    endWorkflow(...args) {
      monitor.endWorkflow(...args);
      void request();
    },
    async close() {
      await monitor.close();
      await request();
    },
  };
}
