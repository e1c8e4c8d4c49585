import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { Listening } from '../../inspector/inspector';
import { inspector } from '../../inspector/inspector';
import { book, contract, finish } from './books';
import { closeBrowser, describeInBrowser, look } from './browser';

describeInBrowser('the page of the inspector', () => {
  const store = memoryStore({ events: 'all' });
  let listening: Listening;

  beforeAll(async () => {
    await finish(book, { pages: 20 }, store, 'good');
    await finish(book, { pages: 90, jam: 60 }, store, 'jammed', { customer: '42' });
    await finish(contract, { customer: 'Kim', amount: 4_200 }, store, 'unsigned');
    listening = await inspector({ store, agents: [book, contract] as never }).listen();
  });
  afterAll(async () => {
    await listening.close();
    await closeBrowser();
  });

  it('lists the runs with what happened, and takes the token out of the address', async () => {
    const { page, problems, close } = await look(listening.url);

    await page.waitForSelector('.runs .row');
    const rows = await page.locator('.runs .row').allInnerTexts();

    expect(page.url()).not.toContain('t=');
    expect(rows).toHaveLength(3);
    expect(rows.join('\n')).toMatch(/pages\[60\]\/ocr: Error: scanner jammed on page 60/);
    expect(rows.join('\n')).toMatch(/waits for an answer: sign/);
    expect(problems).toEqual([]);
    await close();
  });

  it('shows by keys alone which step failed and why, and leads back', async () => {
    const { page, problems, close } = await look(listening.url);
    await page.waitForSelector('.runs .row');

    await page.keyboard.press('f');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.rows .row');
    await page.keyboard.press('f');
    await page.waitForSelector('.details .message');

    expect(await page.locator('.details .path').innerText()).toBe('pages[60]/ocr');
    expect(await page.locator('.details .message').first().innerText()).toBe(
      'Error: scanner jammed on page 60',
    );
    expect(await page.locator('.details').innerText()).toMatch(/ECONNRESET/);
    expect(page.url()).toContain('step=pages[60]/ocr');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.waitForSelector('.runs .row');
    expect(problems).toEqual([]);
    await close();
  });
});
