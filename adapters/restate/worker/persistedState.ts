import type { Serde, WorkflowContext, WorkflowSharedContext } from '@restatedev/restate-sdk';
import { serde } from '@restatedev/restate-sdk';

import { RunState } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { RunEvent } from '../../../lib/model/event';
import { reduceRunAll } from '../../../lib/model/reduce';
import { idleState } from '../../../lib/model/state';
import type { StepTable } from '../../../lib/model/stepTable';
import type { Ingress } from '../protocol/ingress';
import { handlerPath } from '../protocol/ingress';
import type {
  EventsReply,
  EventsRequest,
  GivenAnswer,
  SideEvent,
  PersistedState,
  PersistedRequest,
  Seal,
  StartRequest,
} from '../protocol/protocol';
import { keyOf, lifeOf } from '../protocol/serviceNames';
import { resolveOnce } from './resolveOnce';

/** What a life has left behind, with what functions asked for and the journal of the run does not hold. */
export async function readPersisted(
  context: WorkflowSharedContext,
  { seals = false }: PersistedRequest,
): Promise<PersistedState | null> {
  const rest = await context.get<PersistedState>('rest');
  if (rest === null) return null;
  const parts: SideEvent[] = [];
  for (let i = 0; ; i += 1) {
    const batch = await context.promise<readonly SideEvent[]>(`p:${i}`).peek();
    if (batch === undefined) break;
    parts.push(...batch);
  }
  const answers = [...rest.answers];
  let { read } = rest;
  for (;;) {
    const given = await context.promise<GivenAnswer | Seal>(`in:${read}`).peek();
    if (given === undefined) {
      // Where an answer has come in between, it is read too.
      if (!seals || (await resolveOnce(context, `in:${read}`, SEAL))) break;
    } else if ('isSealed' in given) break;
    else {
      answers.push(given);
      read += 1;
    }
  }
  const state = validate(RunState, rest.state, 'state of the run');
  const steps = withNested(state.runId, state.steps, parts) ?? state.steps;
  return { state: RunState.encode({ ...state, steps }), answers, read };
}

/** What the life before this one has left behind. */
export async function persistedBefore(
  context: WorkflowContext,
  name: string,
  { runId, life }: StartRequest,
): Promise<PersistedState | undefined> {
  const previous = keyOf(runId, life - 1);
  const rest = await context.genericCall<PersistedRequest, PersistedState | null>({
    service: name,
    method: 'rest',
    key: previous,
    parameter: { seals: true },
    inputSerde: JSON_SERDE,
    outputSerde: JSON_SERDE,
  });
  return rest ?? undefined;
}

/**
 * Takes an answer in for a life. Where the next life has read the inbox already, the answer is handed on to that one.
 */
export async function takeAnswer(
  context: WorkflowSharedContext,
  name: string,
  given: GivenAnswer,
): Promise<void> {
  for (let i = 0; !(await resolveOnce(context, `in:${i}`, given)); i += 1) {
    const other = await context.promise<GivenAnswer | Seal>(`in:${i}`).peek();
    if (other === undefined || !('isSealed' in other)) continue;
    const { runId, life } = lifeOf(context.key);
    await context.genericCall<GivenAnswer, undefined>({
      service: name,
      method: 'answer',
      key: keyOf(runId, life + 1),
      parameter: given,
      inputSerde: JSON_SERDE,
      outputSerde: JSON_SERDE,
    });
    return;
  }
  if ((await context.promise<true>('suspended').peek()) !== undefined) await goOn(context, name);
}

/** A life that waits for answers is over; an answer, or its deadline, begins the next one. */
export async function suspend(context: WorkflowContext, name: string): Promise<void> {
  void context.promise<true>('suspended').resolve(true);
  const rest = await context.get<PersistedState>('rest');
  const state = rest === null ? undefined : validate(RunState, rest.state, 'state of the run');
  const deadlines = [...(state?.steps ?? [])]
    .filter(({ status, deadline }) => status === 'SUSPENDED' && deadline !== undefined)
    .map(({ deadline }) => deadline ?? 0);
  if (deadlines.length > 0) {
    context.genericSend({
      service: name,
      method: 'wake',
      key: context.key,
      parameter: {},
      delay: Math.max(0, Math.min(...deadlines) - (state?.endedAt ?? 0)) + 1,
      inputSerde: JSON_SERDE,
    });
  }
  // An answer that came too late to be read, and too early to see that nobody reads it.
  if ((await context.promise(`in:${rest?.read ?? 0}`).peek()) !== undefined) await goOn(context, name);
}

/** Begins the next life. */
export async function goOn(context: WorkflowSharedContext, name: string): Promise<void> {
  const { runId, life } = lifeOf(context.key);
  const request: StartRequest = { runId, life: life + 1, at: await context.date.now(), onMismatch: 'refuse' };
  context.genericSend({
    service: name,
    method: 'run',
    key: keyOf(runId, life + 1),
    parameter: request,
    inputSerde: JSON_SERDE,
  });
}

const SEAL: Seal = { isSealed: true };

const JSON_SERDE = serde.json as unknown as Serde<never>;

/** What is known of the steps below a step: from earlier lives, and from earlier calls of this one. */
export async function nestedSoFar(
  ingress: Ingress,
  name: string,
  key: string,
  path: string,
  known: StepTable | undefined,
): Promise<StepTable | undefined> {
  const parts: SideEvent[] = [];
  for (let from = 0; ;) {
    const request: EventsRequest = { from: Number.MAX_SAFE_INTEGER, parts: from, waitMs: 0 };
    const reply = (await ingress.request(handlerPath(name, key, 'events'), { body: request })) as EventsReply;
    parts.push(...reply.parts);
    if (reply.nextParts === from) break;
    from = reply.nextParts;
  }
  return withNested(lifeOf(key).runId, known, parts, path);
}

/** The table after what was told of steps that functions asked for. */
export function withNested(
  runId: string,
  table: StepTable | undefined,
  parts: readonly SideEvent[],
  below?: string,
): StepTable | undefined {
  const events: RunEvent[] = [];
  for (const part of parts) {
    if (!('key' in part) || !part.key.startsWith('n:')) continue;
    if (below === undefined || part.under.path === below) events.push(part.event);
  }
  if (events.length === 0) return table;
  const base = { ...idleState(runId, '', []), status: 'RUNNING' as const, ...(table && { steps: table }) };
  return reduceRunAll(base, events).steps;
}
