import type { Subscription } from 'rxjs';

import type { Listening } from '../../inspector/inspector';
import { inspector } from '../../inspector/inspector';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { serve } from '../../operators/runs/serve';
import { submit } from '../../operators/runs/submit';
import { SLACK } from '../support/slack';
import { until } from '../support/until';
import { book, contract, finish } from './books';
import { closeBrowser, describeInBrowser, look, PATIENCE_MS } from './browser';

describeInBrowser('what is done from the page', () => {
  const store = memoryStore({ events: 'all' });
  let listening: Listening;
  let serving: Subscription | undefined;
  const address = (hash: string): string => `${listening.url}#/main/${hash}`;

  beforeAll(async () => {
    await finish(book, { pages: 5, jam: 2 }, store, 'jammed');
    await finish(contract, { customer: 'Kim', amount: 4_200 }, store, 'unsigned');
    await finish(contract, { customer: 'Lee', amount: 1 }, store, 'unheard');
    listening = await inspector({ store, agents: [book, contract] as never }).listen();
  });
  afterEach(() => {
    serving?.unsubscribe();
    serving = undefined;
  });
  afterAll(async () => {
    await listening.close();
    await closeBrowser();
  });
  const serveNow = async (): Promise<void> => {
    serving = serve([book, contract] as never, { store }).subscribe();
    await until(() => store.isServed(), PATIENCE_MS);
  };

  it('tells before a rerun what runs again and what is reused, then does just that and leaves the old run as it is', async () => {
    await serveNow();
    const before = JSON.stringify(await store.loadRun('jammed'));
    const { page, problems, close } = await look(address('jammed?step=pages[2]/ocr'));
    await page.waitForSelector('.rows .row');
    await page.locator('.rows').focus();
    await page.keyboard.press('r');
    await page.waitForSelector('dialog .list');

    const listed = async (kind: string): Promise<string[]> =>
      page.locator(`dialog .${kind} li`).allInnerTexts();
    const again = await listed('again');
    const reused = await listed('reused');
    expect(again).toEqual(expect.arrayContaining(['pages', 'pages[2]/ocr', 'stats', 'topics', 'write']));
    expect(reused).toEqual(expect.arrayContaining(['load', 'pages[0]/ocr', 'pages[1]/ocr']));

    await page.getByRole('button', { name: 'Make the fork and run' }).click();
    await page.waitForURL((url) => !url.hash.includes('jammed'));
    const forkId = decodeURIComponent(new URL(page.url()).hash.split('/')[2]!.split('?')[0]!);
    await until(async () => (await store.loadRun(forkId))?.status === 'FAILED', PATIENCE_MS);
    const fork = (await store.loadRun(forkId))!;
    expect(fork.forkedFrom).toEqual({ runId: 'jammed', path: 'pages[2]/ocr' });
    for (const path of reused.filter((each) => each.includes('ocr') || each === 'load'))
      expect(fork.steps.get(path)?.inherited).toBe(true);
    expect(fork.steps.get('pages[2]/ocr')?.inherited).toBeUndefined();
    expect(JSON.stringify(await store.loadRun('jammed'))).toBe(before);
    expect(problems).toEqual([]);
    await close();
  });

  it('keeps the button off and says why while an edited input is no JSON or does not fit', async () => {
    const { page, close } = await look(address('jammed'));
    await page.waitForSelector('.rows .row');
    await page.getByRole('button', { name: 'Rerun' }).first().click();
    await page.waitForSelector('dialog .list');
    await page.getByLabel('edit').check();
    const make = page.getByRole('button', { name: 'Make the fork', exact: true });

    await page.locator('dialog textarea').fill('{ "pages": ');
    await page.waitForSelector('dialog [role=alert]');
    expect(await make.isDisabled()).toBe(true);
    expect(await page.locator('dialog [role=alert]').innerText()).toContain('no JSON');

    await page.locator('dialog textarea').fill('{ "pages": "many" }');
    await page.waitForFunction(
      () => document.querySelector('dialog [role=alert]')?.textContent.includes('pages') === true,
    );
    expect(await make.isDisabled()).toBe(true);

    await page.locator('dialog textarea').fill('{ "pages": 3 }');
    await page.getByText('The input fits.').waitFor();
    expect(await make.isDisabled()).toBe(false);
    await close();
  });

  it('answers what a step asks: whoever serves goes on within a second', async () => {
    await serveNow();
    const { page, problems, close } = await look(address('unsigned?step=sign'));
    await page.waitForSelector('.rows .row');
    await page.locator('.rows').focus();
    await page.keyboard.press('x');
    await page.waitForSelector('dialog');
    expect(await page.locator('dialog').innerText()).toContain('Contract with Kim over 4200 EUR');

    const began = performance.now();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.waitForFunction(
      () => document.querySelector('.run-head .badge')?.textContent.includes('completed') === true,
    );
    const tookMs = performance.now() - began;

    expect((await store.loadRun('unsigned'))?.output).toBe('signed');
    // A second on a quiet machine.
    expect(tookMs).toBeLessThan(4_000 * SLACK);
    expect(problems).toEqual([]);
    await close();
  });

  it('says that nobody goes on with a run when nobody serves, with the command that does', async () => {
    const { page, close } = await look(address('unheard?step=sign'));
    await page.waitForSelector('.rows .row');
    await page.locator('.rows').focus();
    await page.keyboard.press('x');
    await page.getByRole('button', { name: 'Reject' }).click();

    await page.waitForSelector('dialog [role=status]');
    expect(await page.locator('dialog [role=status]').innerText()).toContain('millrace resume unheard');
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    expect(await page.locator('dialog').innerText()).toContain('millrace cancel unheard');
    await close();
  });

  it('says that nothing checks an answer, and what to do, where the agent is not known', async () => {
    await finish(contract, { customer: 'Park', amount: 7 }, store, 'unchecked');
    const unaware = await inspector({ store }).listen();
    for (const [url, locale, told] of [
      [unaware.url, 'en-US', /Nothing checks this.*inspector\(\{ agents \}\)/],
      [unaware.url, 'ko-KR', /검사하지 않습니다.*inspector\(\{ agents \}\)/],
      [listening.url, 'en-US', undefined],
    ] as const) {
      const { page, close } = await look(`${url}#/main/unchecked?step=sign`, { locale });
      await page.waitForSelector('.rows .row');
      await page.locator('.rows').focus();
      await page.keyboard.press('x');
      await page.waitForSelector('dialog textarea');
      const warnings = page.locator('dialog .warn');
      if (told !== undefined) await warnings.waitFor();
      const said = await warnings.allInnerTexts();

      expect([url, said]).toEqual([url, told === undefined ? [] : [expect.stringMatching(told)]]);
      await close();
    }
    await unaware.close();
  });

  it('cancels a run that an application serves within a second', async () => {
    await serveNow();
    await submit(book as never, { pages: 40, ms: 2_000 } as never, { store, runId: 'endless' });
    await until(async () => (await store.loadRun('endless'))?.status === 'RUNNING', PATIENCE_MS);
    const { page, problems, close } = await look(address('endless'));
    await page.waitForSelector('.rows .row');
    await page.getByRole('button', { name: 'Cancel the run' }).click();
    await page.getByLabel('Reason').fill('the wrong book');

    const began = performance.now();
    await page.locator('dialog .danger').click();
    await until(async () => (await store.loadRun('endless'))?.status === 'CANCELLED', PATIENCE_MS);
    const tookMs = performance.now() - began;
    await page.waitForFunction(
      () => document.querySelector('.run-head .badge')?.textContent.includes('cancelled') === true,
    );

    expect(await page.evaluate(() => document.body.innerText)).toContain('the wrong book');
    // A second on a quiet machine.
    expect(tookMs).toBeLessThan(4_000 * SLACK);
    expect(problems).toEqual([]);
    await close();
  });
});
