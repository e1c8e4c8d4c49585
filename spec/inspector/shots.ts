/* Pictures of the main screens, in both languages and themes: npm run shots. Look at them; the best are in docs/img. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { inspector } from '../../inspector/inspector';
import type { Monitor } from '../../lib/metrics/monitor';
import { createMonitor } from '../../lib/metrics/monitor';
import { above, failureRateOver } from '../../lib/metrics/ruleConditions';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { Store } from '../../lib/store/store';
import type { StreamChange } from '../../lib/store/streamRest';
import { book, contract, finish, survey } from './books';
import { closeBrowser, look } from './browser';

const screens: readonly (readonly [name: string, hash: string, keys: readonly string[]])[] = [
  ['runs', '#/main', []],
  ['run', '#/main/01KFAILEDRUN000000000Q2ZD', ['f', 'k', 'k', 'f']],
  ['moment', '#/main/01KFAILEDRUN000000000Q2ZD?at=120&step=pages', ['d']],
  ['rerun', '#/main/01KFAILEDRUN000000000Q2ZD?step=pages[20]/ocr', ['r']],
  ['answer', '#/main/01KCONTRACT000000000M1P?step=sign', ['x']],
  ['compare', '#/main/01KFAILEDRUN000000000Q2ZD/compare?with=main,01KGOODRUN0000000000077AB', []],
  ['logs', '#/main/01KFAILEDRUN000000000Q2ZD/logs', []],
  ['metrics', '#/main//metrics', []],
  ['streams', '#/main//streams', []],
  ['definition', '#/main//definition', []],
  ['keys', '#/main', ['?']],
];

async function shoot(): Promise<void> {
  const folder = join(__dirname, '../../temp/shots');
  mkdirSync(folder, { recursive: true });
  const store = memoryStore({ events: 'all' });
  await finish(survey, 1_000, store, '01KSURVEYRUN000000000J4WX');
  await finish(contract, { customer: 'Kim & Söhne', amount: 4_200 }, store, '01KCONTRACT000000000M1P');
  await finish(book, { pages: 30, ms: 12 }, store, '01KGOODRUN0000000000077AB');
  await finish(book, { pages: 26, jam: 20, ms: 12 }, store, '01KFAILEDRUN000000000Q2ZD', { customer: '42' });
  const metrics = measured();
  await remembered(store);
  const agents = [book, contract, survey] as never;
  const listening = await inspector({ store, agents, metrics }).listen();
  const only = process.argv.slice(2);
  for (const colorScheme of ['light', 'dark'] as const)
    for (const locale of ['en-US', 'ko-KR'])
      for (const [name, hash, keys] of screens) {
        const file = `${name}-${locale.slice(0, 2)}-${colorScheme}.png`;
        if (only.length > 0 && !only.includes(file)) continue;
        const viewport = { width: 1280, height: 760 };
        const { page, close } = await look(`${listening.url}${hash}`, { colorScheme, locale, viewport });
        await page.waitForTimeout(900);
        for (const key of keys) await page.keyboard.press(key);
        await page.waitForTimeout(500);
        await page.screenshot({ path: join(folder, file) });
        await close();
      }
  await closeBrowser();
  await listening.close();
}

/** Some runs, during which something went wrong and was mended. */
function measured(): Monitor {
  const monitor = createMonitor();
  monitor.alert('failing', (stats$) => stats$.pipe(failureRateOver(3_600_000), above(10, { clear: 5 })));
  monitor.addAlertRule('slow', ({ p95 }) => p95 > 9);
  for (let run = 1; run <= 60; run += 1) {
    for (const name of ['load', 'ocr', 'stats', 'write'])
      monitor.logAgentExecution('book', name, (name.length * (3 + ((run * 7) % 5))) / 10, run % 9 !== 0);
    monitor.endWorkflow('book', 2 + ((run * 13) % 9), run % 9 !== 0 || run > 40);
    monitor.checkAlerts();
  }
  return monitor;
}

/** A log that is tailed, and two topics that are joined. */
async function remembered(store: Store): Promise<void> {
  const streams: readonly (readonly [string, Omit<StreamChange, 'at'>])[] = [
    [
      'access',
      {
        offsets: [['access', { byte: 1_204_411, inode: 7 }]],
        lags: [['access', 5_120]],
        rows: ['clock', 'open 3', 'open 4'].map((key) => ({ table: 'minute', key, value: { late: 2 } })),
      },
    ],
    [
      'paid',
      {
        offsets: [
          ['orders', 4_210],
          ['payments', 4_177],
        ],
        rows: Array.from({ length: 33 }, (_, key) => ({ table: 'paid', key: String(key), value: key })),
      },
    ],
  ];
  for (const [name, change] of streams) {
    const claim = await store.streams.claim(name);
    await claim.commit({ ...change, at: Date.now() - 4_000 });
    await claim.release();
  }
}

void shoot();
