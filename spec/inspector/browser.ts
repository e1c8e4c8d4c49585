import { existsSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { chromium } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';

/** Whether there is a browser; where there has to be one, its absence is a failure. */
export const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) {
  if (process.env['CI'] !== undefined)
    throw new Error(`There is no browser at ${CHROMIUM}: apt-get install chromium`);
  console.warn(
    `No browser at ${CHROMIUM}: the page of the inspector is not tested. apt-get install chromium`,
  );
}

/** `describe`, where there is a browser. */
export function describeInBrowser(what: string, specs: () => void): void {
  (hasBrowser ? describe : describe.skip)(what, specs);
}

/** How long is waited for what comes sooner or later: a busy machine is slow, which is no fault. */
export const PATIENCE_MS = 120_000;

let browser: Browser | undefined;

/** A page of its own, and everything that went wrong in it. */
export interface Look {
  readonly page: Page;
  /** Errors in the console, of scripts and of the policy. */
  readonly problems: readonly string[];
  /** Addresses that were asked for. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** Opens an address in a fresh browser context. */
export async function look(url: string, options: BrowserContextOptions = {}): Promise<Look> {
  browser ??= await chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox'],
    timeout: PATIENCE_MS,
  });
  const context = await browser.newContext({
    viewport: { width: 1440, height: 900 },
    locale: 'en-US',
    ...options,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(url);
  return { page, problems, requests, close: () => context.close() };
}

/** What a part of the page says, once it has said the same for half a second: parts of it come one after the other. */
export async function settledSnapshot(page: Page, part: string): Promise<string> {
  let before = '';
  let since = performance.now();
  for (const began = since; performance.now() - began < PATIENCE_MS;) {
    await page.waitForTimeout(100);
    const now = await page.locator(part).ariaSnapshot();
    if (now !== before) since = performance.now();
    else if (performance.now() - since > 500) break;
    before = now;
  }
  return before;
}

/** Closes the browser; for `afterAll`. */
export async function closeBrowser(): Promise<void> {
  await browser?.close();
  browser = undefined;
}
