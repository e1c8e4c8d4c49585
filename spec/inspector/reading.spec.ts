import type { Page } from 'playwright-core';

import type { Listening } from '../../inspector/inspector';
import { inspector } from '../../inspector/inspector';
import { createMonitor } from '../../lib/metrics/monitor';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { book, contract, finish } from './books';
import { closeBrowser, describeInBrowser, look, settledSnapshot } from './browser';

interface Part {
  readonly what: string;
  /** Address of the screen. */
  readonly hash: string;
  /** Selector of what is read. */
  readonly part: string;
  /** Selector of what stands there when the screen is there. */
  readonly ready: string;
  /** Leads from the screen to the part. */
  readonly act?: (page: Page) => Promise<void>;
}

/** What differs from time to time is left out. */
function steady(snapshot: string): string {
  return snapshot
    .replaceAll(/\d+\/\d+\/\d+, (?=\d\d:)/g, '')
    .replaceAll(/\d\d:\d\d:\d\d/g, '<clock>')
    .replaceAll(/\d+ (sec|min)\. ago|\bnow\b/g, '<ago>')
    .replaceAll(/\b\d+(\.\d+)? m?s\b/g, '<span>');
}

describeInBrowser('whoever cannot see the page hears', () => {
  const store = memoryStore({ events: 'all' });
  const metrics = createMonitor();
  let listening: Listening;

  beforeAll(async () => {
    await finish(book, { pages: 3 }, store, 'good');
    await finish(book, { pages: 3, jam: 1 }, store, 'jammed', { customer: '42' });
    await finish(contract, { customer: 'Kim', amount: 4_200 }, store, 'unsigned');
    metrics.endWorkflow('book', 2, true);
    metrics.addAlertRule('failing', ({ failureRate }) => failureRate > 30);
    metrics.endWorkflow('book', 4, false);
    metrics.checkAlerts();
    const claim = await store.streams.claim('visits');
    await claim.commit({
      offsets: [['visits', 1_180]],
      lags: [['visits', 12]],
      rows: [{ table: 'hits', key: '/', value: 1 }],
      at: Date.now(),
    });
    await claim.release();
    listening = await inspector({ store, metrics, agents: [book, contract] as never }).listen();
  });
  afterAll(async () => {
    await listening.close();
    await closeBrowser();
  });

  /** Opens the dialog of a key, and waits until it has all. */
  const press =
    (key: string, shown: string) =>
    async (page: Page): Promise<void> => {
      await page.locator('.rows').focus();
      await page.keyboard.press(key);
      await page.waitForSelector(shown);
    };

  const parts: readonly Part[] = [
    { what: 'the list of runs', hash: '', part: 'main', ready: '.runs .row' },
    {
      what: 'what a rerun repeats and reuses',
      hash: '#/main/jammed?step=pages[1]/ocr',
      part: 'dialog',
      ready: '.rows .row',
      act: press('r', 'dialog .list'),
    },
    {
      what: 'what is asked and how it is answered',
      hash: '#/main/unsigned?step=sign',
      part: 'dialog',
      ready: '.rows .row',
      act: press('x', 'dialog textarea'),
    },
    {
      what: 'how two runs compare',
      hash: '#/main/jammed/compare?with=main,good',
      part: 'main',
      ready: '.grid tbody tr',
    },
    { what: 'the logs', hash: '#/main/jammed/logs', part: 'main', ready: '.log-lines li' },
    { what: 'the metrics', hash: '#/main//metrics', part: 'main', ready: '.grid' },
    { what: 'the streams', hash: '#/main//streams', part: 'main', ready: '.grid' },
    { what: 'the definition', hash: '#/main//definition', part: 'main', ready: '.graph .box' },
  ];

  it.each(parts)('$what', async ({ hash, part, ready, act }) => {
    const { page, problems, close } = await look(`${listening.url}${hash}`);
    await page.waitForSelector(ready);
    await act?.(page);

    expect(steady(await settledSnapshot(page, part))).toMatchSnapshot();
    // What has no name is passed over by whoever goes from table to table, or from field to field.
    expect(await page.locator('body').ariaSnapshot()).not.toMatch(
      /- (table|button|combobox|searchbox|textbox|slider|dialog|region|checkbox|radio)( \[.*\])?:?$/m,
    );
    expect(problems).toEqual([]);
    await close();
  });
});
