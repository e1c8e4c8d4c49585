import { lastValueFrom } from 'rxjs';
import * as client from 'prom-client';

import { prometheus } from '../../../adapters/prometheus';
import { createMonitor, fromOffset, latestBy, memoryStore, scanned, windowed } from '../../../index';

describe('a monitor', () => {
  it('sees offset, lag, rows, late items and the latest record of a stream', async () => {
    const monitor = createMonitor();
    const items = [3, 14, 2, 25].map((at, index) => ({ offset: index + 1, value: { at }, lag: 3 - index }));
    const stream$ = fromOffset(() => items, { name: 'visits', store: memoryStore(), monitor }).pipe(
      windowed('spans', { sizeMs: 10 }, { at: ({ at }) => at }),
      scanned('count', (count) => count + 1, 0),
    );
    const begun = Date.now();

    await lastValueFrom(stream$);

    const [summary] = monitor.streams();
    expect(summary).toEqual({
      name: 'visits',
      offsets: { visits: 4 },
      lags: { visits: 0 },
      tables: { spans: 1, count: 1 },
      late: { spans: 1 },
      committedAt: expect.any(Number) as number,
    });
    expect(summary?.committedAt).toBeGreaterThanOrEqual(begun - 1_000);
    expect(monitor.metricsReport()).toContain(
      'Stream: visits\n  visits: offset 4, 0 behind it\n  spans: 1 rows, 1 items came too late\n',
    );
    expect(monitor.metricsReport({ locale: 'ko' })).toContain('스트림: visits');
    const registry = new client.Registry();
    prometheus(monitor, client, { registry });
    const scraped = await registry.metrics();
    expect(scraped).toContain('millrace_stream_lag{stream="visits",source="visits"} 0');
    expect(scraped).toContain('millrace_stream_rows{stream="visits",table="count"} 1');
    expect(scraped).toContain('millrace_stream_late_total{stream="visits",table="spans"} 1');
    expect(scraped).toMatch(/millrace_stream_committed_timestamp_seconds\{stream="visits"\} \d/);
  });

  it('takes no item for the clock of windows, whatever its key', async () => {
    const monitor = createMonitor();
    const store = memoryStore();
    const trains = [{ name: 'clock', late: 5 }].map((value) => ({ offset: 1, value }));
    const latest$ = fromOffset(() => trains, { name: 'trains', store, monitor }).pipe(
      latestBy('by name', ({ name }) => name),
    );

    await lastValueFrom(latest$);

    expect(monitor.streams()[0]?.late).toEqual({});
    expect((await store.streams.list())[0]?.late).toEqual({});
  });
});
