import { createHash } from 'node:crypto';

import * as t from 'io-ts';
import { firstValueFrom, fromEvent, take, takeUntil } from 'rxjs';

import { jsonValue } from '../../lib/codec/jsonValue';
import { validate } from '../../lib/codec/validate';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf } from '../../lib/definition/definition';
import { previewFork } from '../../lib/engine/previewFork';
import { InputMismatchError } from '../../lib/errors/runErrors';
import { RunExistsError, UnknownRunError } from '../../lib/errors/storageErrors';
import { MillraceError } from '../../lib/model/failure';
import type { RunState } from '../../lib/model/state';
import type { RequestProgress, Store } from '../../lib/store/store';
import { answer } from '../../operators/runs/answer';
import { cancel } from '../../operators/runs/cancel';
import { fork } from '../../operators/runs/fork';
import { signal } from '../../operators/runs/signal';
import { submit } from '../../operators/runs/submit';
import type { Api, Call, Route } from './call';
import {
  bodyOf,
  definitionNamed,
  inputCodecOf,
  malformedBody,
  newIdIn,
  placeIn,
  realPath,
  reply,
  runOf,
} from './call';
import type {
  AnswerReply,
  CancelReply,
  DeleteReply,
  ForkPreviewReply,
  ForkReply,
  ResumeReply,
  SignalReply,
  StartReply,
} from './contract';
import { HttpRequestError } from './httpRequestError';
import { definitionCheck, hasInput } from './readRoutes';
import type { AnyAgent, RunPlace } from './runPlace';

const StartBody = t.intersection([
  t.type({ agent: t.string }),
  t.partial({
    input: t.unknown,
    runId: t.string,
    tags: t.record(t.string, t.string),
    priority: t.number,
    delayMs: t.number,
  }),
]);
const AnswerBody = t.type({ path: t.string, asking: t.string, value: t.unknown });
const ANSWER_NEXT =
  'send { "path", "asking", "value" }; path and asking stand in "waiting" of GET /runs/:id, once for each question';
const CancelBody = t.partial({ reason: t.string });
const ResumeBody = t.partial({});
const ForkBody = t.partial({
  from: t.string,
  input: t.unknown,
  runId: t.string,
  dryRun: t.boolean,
  resume: t.boolean,
});
const SignalBody = t.partial({ value: t.unknown, ttlMs: t.number });
const DeleteBody = t.partial({ cache: t.boolean, snapshots: t.boolean, logs: t.boolean });

export const actRoutes: readonly Route[] = [
  {
    method: 'POST',
    path: '/runs',
    summary: 'Hands a run to whoever serves. The same runId, or Idempotency-Key, is the same run',
    needs: 'write',
    body: StartBody,
    handle: startRun,
  },
  {
    method: 'POST',
    path: '/runs/{id}/answer',
    summary: 'Answers a question of a run',
    needs: 'write',
    body: AnswerBody,
    handle: answerRun,
  },
  {
    method: 'POST',
    path: '/runs/{id}/cancel',
    summary: 'Cancels a run',
    needs: 'write',
    body: CancelBody,
    handle: cancelRun,
  },
  {
    method: 'POST',
    path: '/runs/{id}/resume',
    summary: 'Asks whoever serves to go on with a run',
    needs: 'write',
    body: ResumeBody,
    handle: resumeRun,
  },
  {
    method: 'POST',
    path: '/runs/{id}/fork',
    summary: 'Makes a new run that reuses what this one has done, or tells what it would do',
    needs: 'write',
    body: ForkBody,
    handle: forkRun,
  },
  {
    method: 'POST',
    path: '/runs/{id}/delete',
    summary: 'Forgets a run',
    needs: 'write',
    body: DeleteBody,
    handle: deleteRun,
  },
  {
    method: 'POST',
    path: '/signals/{name}',
    summary: 'Tells that something has happened: the first run that waits for it, now or later, takes it',
    needs: 'write',
    body: SignalBody,
    handle: giveSignal,
  },
];

async function startRun(call: Call): Promise<Response> {
  const { api } = call;
  const place = placeIn(call);
  if (!place.abilities.includes('start')) place.store('start a run');
  const body = await bodyOf(call, StartBody);
  const agent = agentNamed(api, body.agent);
  const input = checkedInput(agent, body.input);
  const runId = newIdIn(body.runId ?? keyedRunId(call, agent.name) ?? api.newRunId());
  const { tags, priority, delayMs } = body;
  const received = await inTurn(place, runId, async () => {
    const receipt = await submit(agent as AnyInput, input, {
      ...place.where,
      runId,
      ...(tags !== undefined && { tags }),
      ...(priority !== undefined && { priority }),
      ...(delayMs !== undefined && { delayMs }),
    });
    await checkSameRun(place, receipt, agent.name, input);
    return receipt;
  });
  const answered: StartReply = received;
  return reply(received.became === 'known' ? 200 : 202, answered, {
    location: locationOf(call, runId, 'runs/'),
  });
}

type AnyInput = Parameters<typeof submit<unknown>>[0];

/** @throws HttpRequestError */
function agentNamed({ agents }: Api, name: string): AnyAgent {
  const agent = agents.get(name);
  if (agent !== undefined) return agent;
  const names = [...agents.keys()].map((each) => JSON.stringify(each));
  throw new HttpRequestError(
    'UNKNOWN_AGENT',
    `Cannot find agent ${JSON.stringify(name.slice(0, 200))}`,
    names.length === 0 ? 'give the API its agents' : `there are: ${names.slice(0, 20).join(', ')}`,
  );
}

/** The input as it came, after the codec of the agent has taken it. @throws ValidationError, StateValueError */
function checkedInput(agent: AnyAgent, input: unknown): unknown {
  const codec = inputCodecOf(definitionOf(agent) as Definition);
  if (codec !== undefined) validate(codec, input, `input of "${agent.name}"`);
  return jsonValue(input, '');
}

/** The same key for the same agent is the same run, also after a restart. */
function keyedRunId({ request }: Call, agent: string): string | undefined {
  const key = request.headers.get('idempotency-key');
  if (key === null) return undefined;
  if (key === '' || key.length > 255) {
    throw new HttpRequestError(
      'QUERY_MALFORMED',
      `Cannot use an Idempotency-Key of ${String(key.length)} characters`,
      'give 1 to 255',
    );
  }
  const hash = createHash('sha256')
    .update(JSON.stringify([agent, key]))
    .digest('hex');
  return `key-${hash.slice(0, 26)}`;
}

const beginning = new WeakMap<RunPlace, Map<string, Promise<unknown>>>();

/** One request after the other for one id: what the first begins is known to the next. */
async function inTurn<T>(place: RunPlace, runId: string, work: () => Promise<T>): Promise<T> {
  const waiting = beginning.get(place) ?? new Map<string, Promise<unknown>>();
  beginning.set(place, waiting);
  const mine = (waiting.get(runId) ?? Promise.resolve()).then(work, work);
  waiting.set(runId, mine);
  try {
    return await mine;
  } finally {
    if (waiting.get(runId) === mine) waiting.delete(runId);
  }
}

/** The runs that were begun from here of late, by their ids: one that waits for its turn cannot be looked into. */
const begun = new WeakMap<RunPlace, Map<string, string>>();
const MOST_BEGUN = 10_000;

/** @throws RunExistsError, InputMismatchError when the run that is known is another one. */
async function checkSameRun(
  place: RunPlace,
  { runId, became }: StartReply,
  agent: string,
  input: unknown,
): Promise<void> {
  const known = begun.get(place) ?? new Map<string, string>();
  begun.set(place, known);
  const print = createHash('sha256')
    .update(JSON.stringify([agent, input]))
    .digest('base64');
  if (became === 'queued') {
    known.set(runId, print);
    if (known.size > MOST_BEGUN) known.delete(known.keys().next().value as string);
    return;
  }
  const state = await place.loadRun(runId);
  if (state !== undefined && state.name !== agent) throw new RunExistsError(runId);
  const isSame = state === undefined ? (known.get(runId) ?? print) === print : hasInput(state, input);
  if (!isSame) throw new InputMismatchError(runId);
}

/** Where a run is, seen from the request: nobody but the mount knows what stands before its path. */
function locationOf({ request, query }: Call, runId: string, before: string): string {
  const { pathname } = new URL(request.url);
  const store = query.get('store');
  const up = pathname.endsWith('/') ? '../' : '';
  const at = `${up}${before}${encodeURIComponent(runId)}`;
  return store === null ? at : `${at}?store=${encodeURIComponent(store)}`;
}

async function answerRun(call: Call): Promise<Response> {
  const { api } = call;
  const place = placeIn(call);
  const { path, asking, value } = await bodyOf(call, AnswerBody, ANSWER_NEXT);
  if (value === undefined) throw malformedBody('it has no "value"', ANSWER_NEXT);
  const state = await runOf(call);
  const agent = api.agents.get(state.name);
  const received: AnswerReply = await answer(state.runId, realPath(call, state, path), value, {
    ...place.where,
    ...(agent !== undefined && definitionCheck(api, state).is === 'same' && { agent }),
    asking,
  });
  return reply(received.became === 'taken' ? 200 : 202, received);
}

async function cancelRun(call: Call): Promise<Response> {
  const { api } = call;
  const place = placeIn(call);
  const { reason } = await bodyOf(call, CancelBody);
  const runId = call.param('id');
  const agent = place.kind === 'engine' ? api.agents.get((await runOf(call)).name) : undefined;
  const received: CancelReply = await cancel(runId, {
    ...place.where,
    ...(agent !== undefined && { agent }),
    ...(reason !== undefined && { reason }),
  });
  return reply(202, received);
}

async function resumeRun(call: Call): Promise<Response> {
  const store = placeIn(call).store('resume a run');
  await bodyOf(call, ResumeBody);
  const { runId } = await runOf(call);
  const { stage } = await resumed(call, store, runId);
  const body: ResumeReply = { runId, stage };
  return reply(202, body);
}

/** Who has left before it was accepted takes it back. */
function resumed({ request }: Call, store: Store, runId: string): Promise<RequestProgress> {
  const left = fromEvent(request.signal, 'abort');
  return firstValueFrom(store.request({ kind: 'resume', runId }).pipe(take(1), takeUntil(left)));
}

async function forkRun(call: Call): Promise<Response> {
  const { api } = call;
  const place = placeIn(call);
  const store = place.store('fork a run');
  const body = await bodyOf(call, ForkBody);
  const state = await runOf(call);
  const from = body.from === undefined ? undefined : realPath(call, state, body.from);
  const isKnown = definitionNamed(api, state.name) !== undefined;
  const hasOther = 'input' in body && body.input !== undefined;
  if (hasOther && isKnown) checkedInput(agentNamed(api, state.name), body.input);
  if (body.dryRun === true)
    return reply(200, await previewOf(call, place, state, from, !hasOther || isKnown));
  const runId = await fork(state.runId, {
    store,
    runId: newIdIn(body.runId ?? api.newRunId()),
    ...(from !== undefined && { from }),
    ...(hasOther && { input: body.input }),
  });
  const made: ForkReply = { runId, isResumed: false };
  const headers = { location: locationOf(call, runId, '../') };
  if (body.resume !== true) return reply(201, made, headers);
  try {
    await resumed(call, store, runId);
    return reply(201, { ...made, isResumed: true } satisfies ForkReply, headers);
  } catch (error) {
    // The fork is there, and whoever asked has to know its id.
    if (!(error instanceof MillraceError)) throw error;
    return reply(201, { ...made, error: api.shown.record(error) } satisfies ForkReply, headers);
  }
}

async function previewOf(
  { api }: Call,
  place: RunPlace,
  state: RunState,
  from: string | undefined,
  inputChecked: boolean,
): Promise<ForkPreviewReply> {
  const { again, reused, critical } = previewFork(state, from);
  const shown = (paths: readonly string[]): readonly string[] => paths.map((path) => api.shown.path(path));
  return {
    again: shown(again),
    reused: shown(reused),
    critical: shown(critical),
    definition: definitionCheck(api, state),
    inputChecked,
    isServed: await place.isServed(),
  };
}

async function deleteRun(call: Call): Promise<Response> {
  const store = placeIn(call).store('delete a run');
  const { cache, snapshots, logs } = await bodyOf(call, DeleteBody);
  const runId = call.param('id');
  const isGone = await store.deleteRun(runId, {
    ...(cache !== undefined && { cache }),
    ...(snapshots !== undefined && { snapshots }),
    ...(logs !== undefined && { logs }),
  });
  if (!isGone) throw new UnknownRunError(runId);
  const body: DeleteReply = { runId };
  return reply(200, body);
}

async function giveSignal(call: Call): Promise<Response> {
  const store = placeIn(call).store('keep a signal');
  const { value, ttlMs } = await bodyOf(call, SignalBody);
  const received: SignalReply = await signal(call.param('name'), value, {
    store,
    scheduler: call.api,
    ...(ttlMs !== undefined && { ttlMs }),
  });
  return reply(202, received);
}
