import { effect, signal } from '@preact/signals-core';
import { render } from 'preact';

import { App } from './app';
import type { Enclosed } from './connection';
import { fileConnection, serverConnection } from './connection';
import { followKeys } from './keys';
import { followAddress } from './machine';
import { begin } from './pageState';
import { chooseLanguage } from './texts';
import { followTheme, kept } from './theme';

/** What the file of the page encloses: JSON, packed; undefined for a page from a server. */
async function enclosed(): Promise<Enclosed | undefined> {
  const text = document.getElementById('enclosed')?.textContent.trim();
  if (text === undefined || text === '') return undefined;
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return (await new Response(stream).json()) as Enclosed;
}

async function start(): Promise<void> {
  followTheme();
  const file = await enclosed();
  if (file !== undefined && location.hash.length < 3)
    location.replace(`#/${encodeURIComponent(file.store)}/${encodeURIComponent(file.run.run.runId)}`);
  followAddress();
  const connection = file === undefined ? serverConnection() : fileConnection(file);
  // Without its texts the page is in English.
  await chooseLanguage(kept('language') ?? navigator.language, connection.texts).catch(() => undefined);
  begin(connection);
  followKeys();
  draw();
}

/** Draws the page whenever something that it shows has changed: once for all that changes together. */
function draw(): void {
  const root = document.getElementById('root');
  if (root === null) return;
  const turn = signal(0);
  let isDue = true;
  effect(() => {
    void turn.value;
    if (isDue) {
      isDue = false;
      render(<App />, root);
      return;
    }
    // What changes until the next turn is not looked at: it is drawn then.
    isDue = true;
    queueMicrotask(() => {
      turn.value += 1;
    });
  });
}

void start();

// Without an export esbuild takes this file for CommonJS, and wraps every other one: 2 % more.
export {};
