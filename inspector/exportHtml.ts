import { createHash } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';

import type { ErrorReply, EventLine, HttpApi, Redact, RunReply, StateReply } from '../adapters/http/index';
import { httpApi } from '../adapters/http/index';
import { StorageError, UnknownRunError } from '../lib/errors/storageErrors';
import { isJournaled } from '../lib/model/event';
import type { Store } from '../lib/store/store';
import { asset } from './assets';
import { graphOf, scopesOf } from './graph';
import { placed } from './graphLayout';

/** Where the run rests, and what is left out of its page. */
export interface ExportHtmlOptions {
  /** Where the run rests. */
  readonly store: Store;
  /** Name of the store, as the page says it; `main` when left out. */
  readonly storeName?: string;
  /** What is kept out besides what is known to be secret. */
  readonly redact?: Redact;
}

/**
 * A run as one page of HTML that opens from a file: the page of the inspector with the events of the run in it, without secrets,
 * and with values above 64 kB cut. It asks nothing of any server. Of a run that is under way it has what happened so far.
 *
 * @throws UnknownRunError when there is no such run.
 * @throws StorageError when it cannot be read.
 */
export async function exportHtml(runId: string, options: ExportHtmlOptions): Promise<string> {
  const { store, storeName = 'main', redact } = options;
  const api = httpApi({ stores: { [storeName]: store }, ...(redact !== undefined && { redact }) });
  return exportedFrom(api, storeName, runId);
}

/** The same from an API that is there already. */
export async function exportedFrom(
  api: Pick<HttpApi, 'fetch'>,
  store: string,
  runId: string,
): Promise<string> {
  const run = (await replyOf(api, store, runId, '')) as RunReply;
  const events = run.hasEvents ? await eventsOf(api, store, run) : [await imported(api, store, runId)];
  const layouts = Object.fromEntries(
    scopesOf(run.plan).map((scope) => [scope, placed(graphOf(run.plan, scope))]),
  );
  const enclosed = {
    store,
    run,
    events,
    layouts,
    madeAt: run.now,
    texts: { ko: JSON.parse(asset('texts.ko.json').toString()) as unknown },
  };
  return pageWith(run.run.name, packed(JSON.stringify(enclosed)));
}

/** The text that the page unpacks. */
function packed(text: string | Buffer): string {
  return deflateRawSync(text, { level: 9 }).toString('base64');
}

/**
 * The script is packed too, so that a small run is a small file. It may run because the page says its hash: a script that a
 * hostile name of a step would bring along may not.
 */
function pageWith(title: string, enclosed: string): string {
  const script = asset('page.js').toString();
  const style = asset('page.css').toString();
  const starter = [
    "const text=document.getElementById('script').textContent.trim();",
    'const bytes=Uint8Array.from(atob(text),(letter)=>letter.charCodeAt(0));',
    "const stream=new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));",
    'new Response(stream).text().then((code)=>{',
    "const script=document.createElement('script');script.textContent=code;document.body.append(script);});",
  ].join('');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(starter)}' '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)} · millrace</title>`,
    `<style>${style}</style>`,
    '<div id="root"></div>',
    `<script type="text/plain" id="enclosed">${enclosed}</script>`,
    `<script type="text/plain" id="script">${packed(script)}</script>`,
    `<script>${starter}</script>`,
    '</html>',
    '',
  ].join('\n');
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

/** Those that led to how the run stood: one that is under way goes on meanwhile, and so do its events. */
async function eventsOf(
  api: Pick<HttpApi, 'fetch'>,
  store: string,
  { run: { runId, status }, seq }: RunReply,
): Promise<readonly EventLine[]> {
  const response = await asked(api, store, runId, '/events', { accept: 'application/x-ndjson' });
  const lines: EventLine[] = [];
  for await (const text of linesOf(response)) {
    const line = JSON.parse(text) as EventLine | ErrorReply;
    if ('error' in line) throw new StorageError('export run', runId, line.error.message, line.error.next);
    lines.push(line);
    if (status === 'RUNNING' && isJournaled(line.event) && line.event.seq >= seq) break;
  }
  return lines;
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const bytes of (body ?? []) as unknown as AsyncIterable<Uint8Array>) {
    const [last = '', ...lines] = `${rest}${decoder.decode(bytes, { stream: true })}`.split('\n').reverse();
    rest = last;
    yield* lines.reverse();
  }
}

/** Of a run without events its state is all there is: it is put in as one. */
async function imported(api: Pick<HttpApi, 'fetch'>, store: string, runId: string): Promise<EventLine> {
  const state = (await replyOf(api, store, runId, '/state')) as StateReply;
  const at = state.endedAt ?? state.startedAt;
  return { offset: 1, event: { type: 'run.imported', runId, seq: state.seq, at, state: state as never } };
}

async function replyOf(
  api: Pick<HttpApi, 'fetch'>,
  store: string,
  runId: string,
  path: string,
): Promise<unknown> {
  return (await asked(api, store, runId, path, {})).json();
}

async function asked(
  api: Pick<HttpApi, 'fetch'>,
  store: string,
  runId: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const url = `http://inspector/runs/${encodeURIComponent(runId)}${path}?store=${encodeURIComponent(store)}`;
  const response = await api.fetch(new Request(url, { headers }));
  if (response.ok) return response;
  const { error } = (await response.json()) as {
    readonly error: { readonly code: string; readonly message: string; readonly next: string };
  };
  if (error.code === 'UNKNOWN_RUN') throw new UnknownRunError(runId);
  throw new StorageError('export run', runId, error.message, error.next);
}
