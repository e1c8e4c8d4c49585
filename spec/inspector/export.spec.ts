import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { exportHtml } from '../../inspector/exportHtml';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { book, finish } from './books';
import { closeBrowser, describeInBrowser, look } from './browser';

describeInBrowser('exportHtml()', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-export-'));
  const store = memoryStore({ events: 'all' });

  afterAll(async () => {
    await closeBrowser();
    rmSync(folder, { recursive: true });
  });

  const written = async (runId: string): Promise<string> => {
    const file = join(folder, `${runId}.html`);
    writeFileSync(file, await exportHtml(runId, { store }));
    return file;
  };

  it('makes one file of a run of 1,000 steps that opens from a folder, with slider and search, and asks nothing of anybody', async () => {
    await finish(book, { pages: 1_000, jam: 990 }, store, 'large');
    const html = await exportHtml('large', { store });
    const { page, problems, requests, close } = await look(pathToFileURL(await written('large')).href);

    await page.waitForSelector('.rows .row');
    expect(html.length).toBeLessThan(150_000);
    expect(await page.locator('.badge').first().innerText()).toContain('failed');
    await page.keyboard.press('/');
    await page.keyboard.type('pages[990]');
    await page.waitForFunction(() => document.querySelectorAll('.rows .row').length < 5);
    await page.keyboard.press('Escape');
    await page.locator('.moments input[type=range]').fill('300');
    await page.waitForFunction(
      () => document.querySelector('.where')?.textContent.trim().startsWith('300/') === true,
    );
    expect(await page.locator('.badge').first().innerText()).toContain('running');
    expect(requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
    expect(problems).toEqual([]);
    await close();
  });

  it('shows names, outputs and errors as text, whatever they say, and no secrets', async () => {
    const hostile = '<img src=x onerror="document.title=1"><script>document.title=1';
    const bad = agent(hostile, () => Promise.reject(new Error(`${hostile} password=hunter2hunter2`)));
    await finish(bad, { html: hostile, apiKey: 'sk-proj-0123456789abcdef' }, store, 'hostile');
    const { page, problems, close } = await look(pathToFileURL(await written('hostile')).href);

    await page.waitForSelector('.details .message');
    const text = await page.evaluate(() => document.body.innerText);
    expect(text).toContain('<img src=x');
    expect(await page.evaluate(() => document.images.length)).toBe(0);
    expect(await page.title()).not.toBe('1');
    await page.keyboard.press('Alt+2');
    expect(await page.evaluate(() => document.body.innerText)).not.toMatch(/sk-proj|hunter2/);
    expect(problems).toEqual([]);
    await close();
  });
});
