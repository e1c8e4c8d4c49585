import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import type { DefinitionCheck } from '../../adapters/http/contract';
import { nextSteps } from '../../adapters/http/nextSteps';
import { Shown } from '../../adapters/http/shown';
import { wordsOf } from '../../cli/view/words';
import type { Listening } from '../../inspector/inspector';
import { inspector } from '../../inspector/inspector';
import { korean } from '../../inspector/page/korean';
import { firstView, viewAfter, viewOf, addressOf } from '../../inspector/page/machine';
import type { TextKey } from '../../inspector/page/texts';
import { nextText, texts } from '../../inspector/page/texts';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { book, contract, finish } from './books';
import { closeBrowser, describeInBrowser, look, settledSnapshot } from './browser';

describe('the files of the page', () => {
  const built = (name: string): Buffer => readFileSync(join(__dirname, '../../inspector/page/built', name));

  it('are 52 kB at most, packed', () => {
    const size = ['page.js', 'page.css']
      .map((name) => gzipSync(built(name), { level: 9 }).length)
      .reduce((a, b) => a + b);

    expect(size).toBeLessThanOrEqual(52_000);
  });

  it('say everything in English and in Korean, with the same places to fill', () => {
    const placesIn = (text: string): string[] =>
      [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();

    expect(Object.keys(korean).sort()).toEqual(Object.keys(texts).sort());
    for (const key of Object.keys(texts) as (keyof typeof texts)[])
      expect([key, placesIn(korean[key])]).toEqual([key, placesIn(texts[key])]);
  });

  it.each((Object.keys(texts) as TextKey[]).filter((key) => !/^(p\d\d|runId|and)$/.test(key)))(
    'say %s in Korean letters',
    (key) => {
      expect(korean[key]).toMatch(/\p{Script=Hangul}/u);
    },
  );

  it('call statuses in Korean as the command line does', () => {
    const { QUEUED: _, ...statuses } = wordsOf('ko').statuses;

    expect(korean).toMatchObject(statuses);
  });

  it.each([
    { status: 'RUNNING', isServed: true, is: 'same' },
    { status: 'RUNNING', isServed: false, is: 'changed' },
    { status: 'SUSPENDED', isServed: true, is: 'same' },
    { status: 'FAILED', isServed: false, is: 'same' },
    { status: 'CANCELLED', isServed: true, is: 'changed' },
    { status: 'COMPLETED', isServed: false, is: 'unknown' },
  ] as const)('say what to do next in English as the API does: %j', async ({ status, isServed, is }) => {
    const store = memoryStore();
    await finish(contract, { customer: 'Kim', amount: 4_200 }, store, 'r');
    const state = { ...(await store.loadRun('r'))!, status };
    const known = { isServed, definition: { is } as DefinitionCheck };
    const steps = nextSteps(state, { ...known, folder: undefined, shown: new Shown() });

    expect(steps.length).toBeGreaterThan(0);
    for (const step of steps) expect(nextText(step, known)).toBe(step.text);
  });
});

describe('the address of a view', () => {
  it('holds all that is chosen, readable, and gives it back', () => {
    const shown = viewAfter(firstView, {
      type: 'show',
      change: {
        store: 'main',
        runId: '01M8/é x',
        step: 'pages[60]/ocr',
        at: 300,
        since: 12,
        zoom: [0, 4_100.5],
        open: ['pages', 'a,b\\c'],
        filter: 'failed & more?#',
        tab: 'error',
        cutsIdle: true,
        life: 2,
      },
    });
    const run = { ...shown, screen: 'run' as const };

    expect(viewOf(addressOf(run))).toEqual(run);
    expect(addressOf(run)).toContain('step=pages[60]/ocr');
  });

  it('is as if it were not there where it makes no sense', () => {
    expect(viewOf('#/main/r?at=x&zoom=9-1&tab=nonsense&life=-1&%E0%A4%A')).toEqual({
      ...firstView,
      screen: 'run',
      store: 'main',
      runId: 'r',
    });
    expect(viewOf('')).toEqual(firstView);
  });
});

describeInBrowser('how the page looks', () => {
  const store = memoryStore({ events: 'all' });
  let listening: Listening;

  beforeAll(async () => {
    await finish(book, { pages: 8 }, store, 'good');
    await finish(book, { pages: 12, jam: 4 }, store, 'jammed');
    await finish(contract, { customer: 'Kim', amount: 4_200 }, store, 'unsigned');
    listening = await inspector({ store, agents: [book, contract] as never }).listen();
  });
  afterAll(async () => {
    await listening.close();
    await closeBrowser();
  });

  /** Each with what stands there when it is there. */
  const screens = [
    ['#/', '.runs .row'],
    ['#/main/jammed?step=pages[4]/ocr', '.details .message'],
    ['#/main/jammed/compare?with=main,good', '.grid tbody tr'],
    ['#/main/jammed/logs', '.log-lines li'],
    ['#/main//metrics', '.metrics-screen'],
    ['#/main//definition', '.graph .box'],
  ] as const;

  it.each(['light', 'dark'] as const)(
    'has a contrast of 4.5 or more everywhere when it is %s',
    async (colorScheme) => {
      const { page, problems, close } = await look(listening.url, { colorScheme });
      for (const [hash, ready] of screens) {
        await page.evaluate((to) => (location.hash = to), hash);
        await page.waitForSelector(ready);
        await page.waitForTimeout(600);
        let pale = await page.evaluate(paleTexts);
        // Colours may still be under way to what they will be.
        for (let look = 0; look < 20 && pale.length > 0; look += 1) {
          await page.waitForTimeout(200);
          pale = await page.evaluate(paleTexts);
        }
        expect([hash, pale]).toEqual([hash, []]);
      }
      expect(problems).toEqual([]);
      await close();
    },
  );

  it('tells whoever cannot see it what stands there', async () => {
    const { page, close } = await look(`${listening.url}#/main/jammed?step=pages[4]/ocr`);
    await page.waitForSelector('.rows .row');
    await page.waitForSelector('.dag .box');
    const snapshot = await settledSnapshot(page, 'body');

    expect(snapshot).toMatch(/treeitem "✖ \[4\] ocr .*\[level=2\] \[selected\]/);
    expect(snapshot).toMatch(/tree "Steps"/);
    expect(snapshot).toMatch(/tab "Error" \[selected\]/);
    expect(snapshot).toMatch(/button "pages, failed, /);
    expect(snapshot).toMatch(/slider "Moment"/);
    expect(
      await page
        .locator('button:not([aria-label])')
        .evaluateAll((all) => all.filter((each) => each.textContent.trim() === '').length),
    ).toBe(0);
    await close();
  });

  it('is in Korean for whoever reads Korean, and changes at once', async () => {
    const { page, problems, close } = await look(listening.url, { locale: 'ko-KR' });
    await page.waitForSelector('.runs .row');

    expect(await page.evaluate(() => document.documentElement.lang)).toBe('ko');
    expect(await page.evaluate(() => document.body.innerText)).toContain('답을 기다림: sign');
    await page.getByLabel('Language').selectOption('en');
    await page.getByText('waits for an answer: sign').first().waitFor();
    expect(problems).toEqual([]);
    await close();
  });

  it('says in Korean what to do next', async () => {
    const { page, problems, close } = await look(`${listening.url}#/main/unsigned`, { locale: 'ko-KR' });
    await page.waitForSelector('.next li');

    expect(await page.locator('.next li').allInnerTexts()).toEqual([
      expect.stringContaining('"sign"의 질문에 답합니다.'),
      expect.stringContaining('실행을 중단합니다.'),
    ]);
    expect(problems).toEqual([]);
    await close();
  });

  it('goes everywhere by keys, and shows them all under ?', async () => {
    const { page, problems, close } = await look(listening.url);
    await page.waitForSelector('.runs .row');
    for (const [keys, screen] of [
      ['gm', '.metrics-screen'],
      ['gs', '.streams-screen'],
      ['gr', '.runs-screen'],
      ['gd', '.definition-screen'],
      ['gr', '.runs-screen'],
    ] as const) {
      for (const key of keys) await page.keyboard.press(key);
      await page.waitForSelector(screen);
    }
    await page.keyboard.press('?');
    // It hears keys only once it is modal.
    await page.waitForSelector('dialog:modal');
    expect(await page.locator('dialog tr').count()).toBeGreaterThan(20);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForSelector('.rows .row');
    for (const key of [
      'w',
      'w',
      's',
      'a',
      'e',
      '0',
      '1',
      'i',
      'i',
      'h',
      'h',
      'c',
      '[',
      ']',
      '{',
      '}',
      'd',
      'd',
      '.',
      'ArrowLeft',
      'ArrowRight',
      'k',
      'j',
      'Alt+4',
      'y',
    ])
      await page.keyboard.press(key);
    expect(await page.locator('.run-screen').count()).toBe(1);
    expect(problems).toEqual([]);
    await close();
  });
});

/** Texts whose colour is too close to what is behind them, by WCAG 2.1, 1.4.3. Runs in the page. */
function paleTexts(): string[] {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true })!;
  const rgba = (color: string): number[] => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (color: number[]): number => {
    const [r = 0, g = 0, b = 0] = color.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element: Element | null): number[] => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const pale: string[] = [];
  for (const element of document.querySelectorAll<HTMLElement>('body *:not(svg *):not(script):not(option)')) {
    const own = [...element.childNodes]
      .filter((node) => node.nodeType === 3)
      .map((node) => node.textContent?.trim() ?? '')
      .join('');
    if (own === '' || element.matches(':disabled') || element.offsetParent === null) continue;
    const [one, other] = [luminance(rgba(getComputedStyle(element).color)), luminance(ground(element))].sort(
      (a, b) => b - a,
    ) as [number, number];
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) pale.push(`${element.className} "${own.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return [...new Set(pale)];
}
