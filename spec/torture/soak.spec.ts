import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { linearRegression } from 'simple-statistics';

import { childProgram } from '../support/child';
import { amount, tally } from '../support/torture';
import type { Sample } from './children/soak';

const events = amount(100_000, 1_000_000);
/** Bytes per 1,000 events. V8 goes on compiling for some 300,000 events, so only a long run can be held to the promise. */
const limit = events >= 1_000_000 ? 1_024 : 4_096;

describe('soak', () => {
  const program = childProgram(join(__dirname, 'children/soak.ts'));
  const folder = mkdtempSync(join(tmpdir(), 'millrace-soak-'));
  afterAll(() => {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it(
    `holds no more memory and no more handles after ${String(events)} events, with a store and all taps`,
    async () => {
      const { stdout, stderr } = await program.run(folder, String(events));

      expect(stderr).toBe('');
      const seen = JSON.parse(stdout) as { samples: Sample[]; events: number; runs: number; alerts: number };
      expect(seen.events).toBeGreaterThanOrEqual(events);
      expect(seen.runs).toBe(seen.events / 202);
      expect(seen.alerts).toBe(0);
      // The first third compiles and fills what is bounded.
      const samples = seen.samples.slice(seen.samples.length / 3);
      expect(samples.length).toBeGreaterThan(15);
      const { m } = linearRegression(samples.map(({ events: at, heap }) => [at, heap]));
      tally('events', seen.events);
      tally('bytes of heap per 1,000 of them', Math.round(m * 1_000));
      expect(m * 1_000).toBeLessThan(limit);
      expect(Math.max(...samples.map(({ handles }) => handles))).toBe(samples[0]?.handles);
    },
    Math.max(600_000, events / 2),
  );
});
