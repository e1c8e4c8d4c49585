import { isDeepStrictEqual } from 'node:util';

import { defaultIfEmpty, firstValueFrom, map, take } from 'rxjs';

import type { JsonSchema } from '../../lib/codec/jsonSchema';
import { jsonSchemaOf } from '../../lib/codec/jsonSchema';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf, unplannedOf } from '../../lib/definition/definition';
import { definitionAt } from '../../lib/definition/definitionAt';
import { idsIn, planDiff, unplannedDiff } from '../../lib/definition/planDiff';
import { toMermaid } from '../../lib/definition/toMermaid';
import { NoJsonSchemaError } from '../../lib/errors/definitionErrors';
import { EventsNotKeptError, StoreCorruptError, StoreFormatError } from '../../lib/errors/storageErrors';
import { createMonitor } from '../../lib/metrics/monitor';
import type { Monitor } from '../../lib/metrics/monitor';
import { MillraceError } from '../../lib/model/failure';
import type { RunState, RunStatus } from '../../lib/model/state';
import type { RunQuery, RunSummary } from '../../lib/store/store';
import { summaryOf } from '../../lib/store/summary';
import type { Api, Call, Route } from './call';
import {
  countIn,
  definitionNamed,
  flagIn,
  inputCodecOf,
  malformedQuery,
  placeIn,
  realPath,
  reply,
  runOf,
} from './call';
import type {
  AgentInfo,
  AgentsReply,
  AlertsReply,
  DamagedRun,
  DefinitionCheck,
  MetricsReply,
  RunReply,
  RunsReply,
  StateReply,
  StoreInfo,
  StoresReply,
  StreamsReply,
  ValueKind,
  ValueReply,
  WaitingQuestion,
} from './contract';
import { HttpRequestError } from './httpRequestError';
import { nextSteps } from './nextSteps';
import type { AnyAgent, RunPlace } from './runPlace';
import { LARGEST_VALUE } from './shown';
import { asKind, valueAt, valueIn } from './keptValues';

export const readRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/stores',
    summary: 'Where runs rest, and what whoever asks may do',
    needs: 'read',
    handle: stores,
  },
  {
    method: 'GET',
    path: '/runs',
    summary: 'Runs, newest first',
    needs: 'read',
    query: {
      status: 'Only these, separated by commas',
      name: 'Only runs of this agent',
      since: 'Only runs that started then or later: epoch milliseconds, or ISO 8601',
      failedStep: 'Only runs in which this step failed',
      tag: 'Only runs with this tag, as name:value; several times for several tags',
      q: 'Only runs with this text in their id, name, failed step, error or tags',
      limit: 'At most so many, 50 when left out, 500 at most',
      cursor: 'Goes on behind an earlier list: what that gave as "next"',
    },
    handle: runs,
  },
  {
    method: 'GET',
    path: '/runs/{id}',
    summary: 'How a run stands, and what can be done with it',
    needs: 'read',
    handle: run,
  },
  {
    method: 'GET',
    path: '/runs/{id}/state',
    summary: 'How a run stands, with all of its steps',
    needs: 'read',
    handle: state,
  },
  {
    method: 'GET',
    path: '/runs/{id}/values',
    summary: 'One value of a step, or of the run',
    needs: 'read',
    query: {
      path: 'Of the step; the run itself when left out',
      of: 'Which one: output when left out, input, error, request, answer, data, kept',
      offset: 'Of this kept event instead of the state',
      limit: 'Bytes of its text, 65536 when left out, 5242880 at most',
      raw: 'The whole value as a file',
    },
    handle: value,
  },
  {
    method: 'GET',
    path: '/streams',
    summary: 'The streams that remember: offsets, lags, numbers of rows, the latest records',
    needs: 'read',
    handle: streams,
  },
  { method: 'GET', path: '/metrics', summary: 'Numbers about agents', needs: 'read', handle: metrics },
  {
    method: 'GET',
    path: '/alerts',
    summary: 'What has fired and not cleared',
    needs: 'read',
    handle: alerts,
  },
  {
    method: 'GET',
    path: '/agents',
    summary: 'The agents that are known here',
    needs: 'read',
    handle: agents,
  },
];

async function stores({ api, access }: Call): Promise<Response> {
  const { places, agents: known, shown } = api;
  const infos = [...places.values()].map(async (place): Promise<StoreInfo> => {
    const { name, kind, abilities, folder } = place;
    const about = { name, kind, abilities, ...(folder !== undefined && { folder }) };
    try {
      return { ...about, isServed: await place.isServed(), queued: await place.queued() };
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return { ...about, isServed: false, queued: 0, error: shown.record(error) };
    }
  });
  const body: StoresReply = {
    stores: await Promise.all(infos),
    access,
    agents: [...known.keys()],
    // What rests in a file would have to be read each time.
    alerts: api.metrics !== undefined && 'getMetrics' in api.metrics ? api.metrics.save().alerts : [],
    now: api.now(),
  };
  return reply(200, body);
}

const STATUSES: Readonly<Record<RunStatus, 0>> = {
  IDLE: 0,
  RUNNING: 0,
  SUSPENDED: 0,
  COMPLETED: 0,
  FAILED: 0,
  CANCELLED: 0,
};

async function runs(call: Call): Promise<Response> {
  const { api, query } = call;
  const place = placeIn(call);
  const statuses = statusesIn(query);
  const limit = countIn(query, 'limit', 1, 500) ?? 50;
  const cursor = cursorIn(query);
  const unlisted: DamagedRun[] = [];
  const all = await fittingRuns(call, place, (runId, error) => {
    unlisted.push({ runId, error: api.shown.record(error) });
  });
  const counts: Record<RunStatus, number> = { ...STATUSES };
  for (const { status } of all) counts[status] += 1;
  const fitting = statuses === undefined ? all : all.filter(({ status }) => statuses.has(status));
  const start = cursor === undefined ? 0 : fitting.findIndex((each) => isBehind(each, cursor));
  const page = start === -1 ? [] : fitting.slice(start, start + limit);
  const last = page.at(-1);
  const damaged = [...unlisted, ...(await damagedOf(call, place, page))];
  const bad = new Set(damaged.map(({ runId }) => runId));
  const body: RunsReply = {
    runs: page.filter(({ runId }) => !bad.has(runId)).map((each) => api.shown.summary(each)),
    damaged,
    counts,
    total: fitting.length,
    ...(last !== undefined && last !== fitting.at(-1) && { next: `${String(last.startedAt)}.${last.runId}` }),
    now: api.now(),
  };
  return reply(200, body);
}

function statusesIn(query: URLSearchParams): ReadonlySet<string> | undefined {
  const text = query.get('status');
  if (text === null || text === '') return undefined;
  const statuses = text.split(',').map((status) => status.trim().toUpperCase());
  if (statuses.every((status) => Object.hasOwn(STATUSES, status))) return new Set(statuses);
  throw malformedQuery('status', text, Object.keys(STATUSES).join(', '));
}

interface Cursor {
  readonly startedAt: number;
  readonly runId: string;
}

function cursorIn(query: URLSearchParams): Cursor | undefined {
  const text = query.get('cursor');
  if (text === null || text === '') return undefined;
  const [, startedAt = '', runId = ''] = /^(\d{1,15})\.([^]+)$/.exec(text) ?? [];
  if (runId === '') throw malformedQuery('cursor', text, 'what an earlier list gave as "next"');
  return { startedAt: Number(startedAt), runId };
}

/** Whether a run stands behind another one in the list, which may be gone by now. */
function isBehind({ startedAt, runId }: RunSummary, cursor: Cursor): boolean {
  return startedAt < cursor.startedAt || (startedAt === cursor.startedAt && runId < cursor.runId);
}

/**
 * The runs that fit everything but the status. Texts are compared as they are shown: who sees no secret must not find one by
 * asking for it letter by letter.
 */
async function fittingRuns(
  { query, api: { shown } }: Call,
  place: RunPlace,
  onDamaged: NonNullable<RunQuery['onDamaged']>,
): Promise<readonly RunSummary[]> {
  const name = query.get('name');
  const text = query.get('q');
  const failedStep = query.get('failedStep');
  const since = momentIn(query);
  const tags = tagsIn(query);
  const wanted: RunQuery = {
    onDamaged,
    ...(name !== null && name !== '' && { name }),
    ...(since !== undefined && { since }),
    ...(text !== null && text !== '' && { text }),
    ...(tags !== undefined && { tags }),
  };
  let found = await place.listRuns(wanted);
  if (failedStep !== null && failedStep !== '')
    found = found.filter((run) => run.failedStep !== undefined && shown.path(run.failedStep) === failedStep);
  if (wanted.text === undefined && tags === undefined) return found;
  const lower = text?.toLowerCase() ?? '';
  return found.filter((run) => {
    const { runId, name: agent, failedStep: step, error, tags: own = {} } = shown.summary(run);
    const texts = [runId, agent, step ?? '', error ?? '', ...Object.values(own)];
    return (
      texts.some((each) => each.toLowerCase().includes(lower)) &&
      Object.entries(tags ?? {}).every(([key, tag]) => own[key] === tag)
    );
  });
}

function momentIn(query: URLSearchParams): number | undefined {
  const text = query.get('since');
  if (text === null || text === '') return undefined;
  const moment = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isFinite(moment)) return moment;
  throw malformedQuery('since', text, 'epoch milliseconds, or ISO 8601');
}

function tagsIn(query: URLSearchParams): Readonly<Record<string, string>> | undefined {
  const tags = query.getAll('tag').map((text): readonly [string, string] => {
    const colon = text.indexOf(':');
    if (colon < 1) throw malformedQuery('tag', text, 'name:value');
    return [text.slice(0, colon), text.slice(colon + 1)];
  });
  return tags.length === 0 ? undefined : Object.fromEntries(tags);
}

/** How long a list looks into its runs, in milliseconds: those it does not come to are looked into by the next. */
const LOOK_MS = 250;
/** After so long a damaged run is looked into again: somebody may have mended it. */
const AGAIN_MS = 5_000;

/** What was found in a run, as it stood then. */
interface Looked {
  readonly stamp: string;
  readonly at: number;
  readonly damage?: DamagedRun;
}

const looked = new WeakMap<RunPlace, Map<string, Looked>>();
const MOST_LOOKED = 20_000;

/** The runs of a page that cannot be read. What was found is remembered until they change. */
async function damagedOf(
  call: Call,
  place: RunPlace,
  page: readonly RunSummary[],
): Promise<readonly DamagedRun[]> {
  if (place.kind === 'engine') return [];
  const known = looked.get(place) ?? new Map<string, Looked>();
  looked.set(place, known);
  const damaged: DamagedRun[] = [];
  const until = performance.now() + LOOK_MS;
  for (const each of page) {
    const { runId, status, life, endedAt = 0 } = each;
    // It changes all the time, and whoever carries it on has read it.
    if (status === 'RUNNING') continue;
    const stamp = `${status} ${String(life)} ${String(endedAt)}`;
    let found = known.get(runId);
    const isOld = found?.damage !== undefined && performance.now() - found.at > AGAIN_MS;
    if (found?.stamp !== stamp || isOld) {
      if (performance.now() > until) continue;
      const damage = await damageOf(call, place, each);
      found = { stamp, at: performance.now(), ...(damage !== undefined && { damage }) };
      if (known.size >= MOST_LOOKED) known.clear();
      known.set(runId, found);
    }
    if (found.damage !== undefined) damaged.push(found.damage);
  }
  return damaged;
}

async function damageOf(
  { api: { shown } }: Call,
  place: RunPlace,
  { runId, name }: RunSummary,
): Promise<DamagedRun | undefined> {
  try {
    await place.loadRun(runId);
    return undefined;
  } catch (error) {
    if (!(error instanceof StoreCorruptError || error instanceof StoreFormatError)) throw error;
    return { runId, name: shown.text(name), error: shown.record(error) };
  }
}

async function run(call: Call): Promise<Response> {
  const { api } = call;
  const { shown } = api;
  const place = placeIn(call);
  const found = await runOf(call);
  const { input, output, error, unplanned, incarnation, seq } = found;
  const isServed = await place.isServed();
  const definition = definitionCheck(api, found);
  const body: RunReply = {
    run: shown.summary(summaryOf(found)),
    plan: shown.plan(found.plan),
    ...(unplanned !== undefined && { unplanned }),
    definition,
    waiting: waitingOf(api, found),
    next: nextSteps(found, { isServed, folder: place.folder, definition, shown }),
    hasEvents: await hasEvents(place, found.runId),
    input: shown.short(input, '', 'input'),
    ...(output !== undefined && { output: shown.short(output, '', 'output') }),
    ...(error !== undefined && { error: shown.failure(error) }),
    ...(incarnation !== undefined && { incarnation }),
    seq,
    isServed,
    now: api.now(),
  };
  return reply(200, body);
}

async function hasEvents(place: RunPlace, runId: string): Promise<boolean> {
  const first = place.events(runId, {}).pipe(
    take(1),
    map(() => true),
    defaultIfEmpty(true),
  );
  try {
    return await firstValueFrom(first);
  } catch (error) {
    if (error instanceof EventsNotKeptError || error instanceof HttpRequestError) return false;
    throw error;
  }
}

/** Whether the agent at hand is the one that a run was begun with. */
export function definitionCheck(api: Api, found: RunState): DefinitionCheck {
  const definition = definitionNamed(api, found.name);
  if (definition === undefined) return { is: 'unknown' };
  const ids = idsIn(definition, found);
  const diff = planDiff(found.plan, planOf(definition, ids));
  const unplanned = unplannedDiff(found, unplannedOf(definition, ids));
  if (diff === undefined && unplanned === undefined) return { is: 'same' };
  const nothing = { added: [], removed: [], changed: [], results: [] };
  return { is: 'changed', diff: diff ?? nothing, unplanned: unplanned?.places ?? [] };
}

function waitingOf({ agents: known, shown }: Api, found: RunState): readonly WaitingQuestion[] {
  const agent = known.get(found.name);
  return summaryOf(found).waiting.map(({ path, asking, dueAt }) => {
    const row = found.steps.get(path);
    const schema = agent === undefined ? undefined : answerSchema(agent, path);
    const place = shown.path(path);
    return {
      path: place,
      asking,
      ...(dueAt !== undefined && { dueAt }),
      ...(row !== undefined && 'request' in row && { request: shown.short(row.request, place, 'request') }),
      ...(schema !== undefined && { schema }),
    };
  });
}

function answerSchema(agent: AnyAgent, path: string): JsonSchema | undefined {
  const definition = definitionAt(agent, path);
  if (definition === undefined || definition === 'unknown' || definition.kind !== 'approval')
    return undefined;
  return schemaOf(definition.answers);
}

/** A codec written by hand cannot say what it takes. */
export function schemaOf(codec: Definition['input']): JsonSchema | undefined {
  if (codec === undefined) return undefined;
  try {
    return jsonSchemaOf(codec);
  } catch (error) {
    if (error instanceof NoJsonSchemaError) return undefined;
    throw error;
  }
}

async function state(call: Call): Promise<Response> {
  const body: StateReply = call.api.shown.state(await runOf(call));
  return reply(200, body);
}

const MOST_SHOWN = 5 * 1_048_576;

async function value(call: Call): Promise<Response> {
  const { api, query } = call;
  const of = asKind(query.get('of') ?? 'output');
  const limit = countIn(query, 'limit', 0, MOST_SHOWN) ?? LARGEST_VALUE;
  const offset = countIn(query, 'offset', 1, Number.MAX_SAFE_INTEGER);
  const found = await runOf(call);
  const path = realPath(call, found, query.get('path') ?? '');
  const raw =
    offset === undefined
      ? valueIn(found, path, of)
      : await valueAt(
          placeIn(call).events(found.runId, { after: offset - 1 }),
          path,
          of,
          found.status === 'RUNNING',
        );
  const text = textOf(api, raw, of);
  const place = api.shown.path(path);
  if (text === undefined) throw noValue(found.runId, place, of);
  if (flagIn(query, 'raw')) {
    const name = `${found.runId}-${place === '' ? 'run' : place}-${of}`
      .replace(/[^\w.-]+/g, '_')
      .slice(0, 120);
    return new Response(text, {
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'content-disposition': `attachment; filename="${name}.json"`,
      },
    });
  }
  const bytes = Buffer.from(text);
  const isCut = bytes.length > limit;
  // A character that was cut in two is left out.
  const shownText = isCut ? new TextDecoder().decode(bytes.subarray(0, limit), { stream: true }) : text;
  const body: ValueReply = { path: place, of, bytes: bytes.length, text: shownText, isCut };
  return reply(200, body);
}

function textOf({ shown }: Api, raw: unknown, of: ValueKind): string | undefined {
  if (raw === undefined) return undefined;
  const plain = of === 'error' ? shown.failure(raw as Parameters<typeof shown.failure>[0]) : shown.value(raw);
  return JSON.stringify(plain);
}

function noValue(runId: string, path: string, of: ValueKind): HttpRequestError {
  const what = path === '' ? `run "${runId}"` : `step "${path}" of run "${runId}"`;
  return new HttpRequestError(
    'NO_VALUE',
    `Cannot find the ${of} of ${what}`,
    'the state of the run says what there is',
  );
}

async function streams(call: Call): Promise<Response> {
  const { api } = call;
  const { shown } = api;
  const damaged: StreamsReply['damaged'][number][] = [];
  const listed = await placeIn(call)
    .store('list streams')
    .streams.list({
      onDamaged: (name, error) => damaged.push({ name: shown.text(name), error: shown.record(error) }),
    });
  const body: StreamsReply = { streams: listed.map((each) => shown.stream(each)), damaged, now: api.now() };
  return reply(200, body);
}

async function metrics({ api }: Call): Promise<Response> {
  const monitor = await monitorOf(api);
  const saved = monitor?.save();
  const body: MetricsReply = {
    isKept: monitor !== undefined,
    workflows:
      saved?.workflows.map(({ workflowName, durations, agents: all }) => ({
        ...(monitor as Monitor).getMetrics(workflowName),
        recent: durations.recent ?? [],
        recentOf: Object.fromEntries(all.map(({ agentName, durations: of }) => [agentName, of.recent ?? []])),
      })) ?? [],
    streams: monitor?.streams().map((each) => api.shown.stream(each)) ?? [],
    alerts: saved?.alerts ?? [],
    history: saved?.history ?? [],
  };
  return reply(200, body);
}

async function alerts({ api }: Call): Promise<Response> {
  const monitor = await monitorOf(api);
  const body: AlertsReply = { isKept: monitor !== undefined, active: monitor?.save().alerts ?? [] };
  return reply(200, body);
}

async function monitorOf({ metrics: given }: Api): Promise<Monitor | undefined> {
  if (given === undefined || 'getMetrics' in given) return given;
  const saved = await given.load();
  return createMonitor(saved === undefined ? {} : { saved });
}

function agents({ api }: Call): Promise<Response> {
  const body: AgentsReply = { agents: [...api.agents.values()].map((agent) => agentInfo(api, agent)) };
  return Promise.resolve(reply(200, body));
}

function agentInfo({ shown }: Api, agent: AnyAgent): AgentInfo {
  const definition = definitionOf(agent) as Definition;
  const plan = planOf(definition);
  const input = schemaOf(inputCodecOf(definition));
  return {
    name: agent.name,
    plan: shown.plan(plan),
    mermaid: toMermaid(agent),
    ...(input !== undefined && { input }),
    questions: plan
      .filter(({ kind }) => kind === 'approval')
      .map(({ path }) => {
        const schema = answerSchema(agent, path);
        return { path, ...(schema !== undefined && { schema }) };
      }),
  };
}

/** Whether a run was begun with this input. */
export function hasInput(found: RunState, input: unknown): boolean {
  return isDeepStrictEqual(found.input, input);
}
