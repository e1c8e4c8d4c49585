/* How smooth and how late the page is while another process tells 1,000 events a second: npm run bench:inspector, alone on a machine. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { inspector } from '../../inspector/inspector';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { agent } from '../../operators/agents/agent';
import { each } from '../../operators/agents/each';
import { until } from '../support/until';
import { finish } from './books';
import { closeBrowser, look } from './browser';

const SECONDS = 10;

/** Two events a step: 500 steps a second. */
async function tell(folder: string): Promise<void> {
  const store = lowdbStore(folder, { durability: 'process' });
  const began = performance.now();
  const step = agent('tick', async (index: number) => {
    const due = began + index * 2;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
    return index;
  });
  const all = Array.from({ length: SECONDS * 500 }, (_, index) => index);
  await finish(each('ticks', step, { concurrency: 16 }), all, store, 'ticks');
  await store.close();
}

async function measure(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const child = spawn(process.execPath, [...process.execArgv, __filename, folder], { stdio: 'inherit' });
  const store = lowdbStore(folder);
  await until(async () => (await store.loadRun('ticks')) !== undefined, 30_000);
  const listening = await inspector({ store }).listen();
  const { page, close } = await look('about:blank');
  await page.addInitScript(() => {
    const told = { lags: [] as number[], frames: [] as number[] };
    Object.assign(window, { told });
    const Real = EventSource;
    window.EventSource = class extends Real {
      constructor(url: string | URL) {
        super(url);
        this.addEventListener('message', ({ data }: MessageEvent<string>) => {
          const { at } = (JSON.parse(data) as { event: { at: number } }).event;
          // What had been told before the page was there is not late.
          if (at > performance.timeOrigin + 1_000)
            requestAnimationFrame(() => told.lags.push(Date.now() - at));
        });
      }
    };
    let last = performance.now();
    const frame = (time: number): void => {
      told.frames.push(time - last);
      last = time;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await page.goto(`${listening.url}#/main/ticks`);
  await until(async () => (await store.loadRun('ticks'))?.status === 'COMPLETED', 120_000);
  await page.waitForTimeout(1_000);
  const { lags, frames } = await page.evaluate(
    () => (window as unknown as { told: { lags: number[]; frames: number[] } }).told,
  );
  const at = (values: number[], part: number): string =>
    String(Math.round([...values].sort((a, b) => a - b)[Math.floor(values.length * part)] ?? 0));
  const shown = await page.locator('.tally').innerText();
  console.log(`events    ${lags.length} while they came`);
  console.log(`lag       median ${at(lags, 0.5)} ms, p95 ${at(lags, 0.95)} ms`);
  console.log(`frames    p95 ${at(frames, 0.95)} ms, longest ${at(frames.slice(30), 0.9999)} ms`);
  console.log(
    `at rest   ${shown.trim()} as the store has it: ${JSON.stringify((await store.loadRun('ticks'))?.steps.tally())}`,
  );
  await close();
  await closeBrowser();
  await listening.close();
  child.kill();
  rmSync(folder, { recursive: true, force: true });
}

const folder = process.argv[2];
void (folder === undefined ? measure() : tell(folder));
