import type { ObjectContext, ObjectSharedContext, Serde } from '@restatedev/restate-sdk';
import { handlers, object, serde, TerminalError } from '@restatedev/restate-sdk';

import { RunState } from '../../../lib/codec/stateCodec';
import { validate } from '../../../lib/codec/validate';
import type { RunEvent } from '../../../lib/model/event';
import { reduceRunAll } from '../../../lib/model/reduce';
import type { RunStatus } from '../../../lib/model/state';
import { isNotServed } from '../client/notServed';
import type { Ingress } from '../protocol/ingress';
import { callPath, IngressError } from '../protocol/ingress';
import type {
  CancelRequest,
  Ending,
  GivenAnswer,
  LateAnswer,
  ReadRecord,
  RestRequest,
  RunRecord,
  StartRequest,
  StateChunk,
} from '../protocol/protocol';
import { agentOf, KEPT_MARK, keyOf, recordedRun, RECORDS_SERVICE } from '../protocol/serviceNames';
import { asManyAsFit } from '../protocol/wireEvent';
import { LARGEST_ANSWERS } from '../protocol/wireLimits';
import { answersThatFit, warnDropped } from './keptRun';
import { acceptAnswer, acceptIndex, BODY } from './requests';
import type { ServiceOptions } from './serviceOptions';
import { retriedForEver } from './serviceOptions';

/** A record as it is kept. */
interface Kept extends RunRecord {
  /** When the next life begins by itself, epoch milliseconds by the clock of the run. */
  readonly wakesAt?: number;
  /** The call that shows that the run is kept; absent where its lives are kept for as long. */
  readonly mark?: string;
  /** That of the lives of the run: nobody who asks how it stands is told. */
  readonly secret?: string;
  /** How the next life shall end the run: it may have begun without knowing. */
  readonly ending?: Ending;
  /** The next life begins by itself. */
  readonly goesOn?: boolean;
  /** How the run stood before the life that is under way. */
  readonly rested?: RunStatus;
}

/** How long the server may take to say whether a service is served. */
const LOOK_MS = 5_000;
/** A hundred years. */
const EVER_MS = 3_155_760_000_000;
/** The server forgets a life up to so much later than it was told to. */
const LATE_MS = 3_600_000;

const PRIVATE = { journalRetention: 0, ingressPrivate: true } as const;

/**
 * The service that keeps how runs stand between their lives: an object for each run that has rested, until the run has ended.
 * A run that completes in its first life has none.
 */
export function runRecordsService(settings: ServiceOptions) {
  return object({
    name: RECORDS_SERVICE,
    handlers: {
      chunk: handlers.object.exclusive(
        PRIVATE,
        (context: ObjectContext, { index, text }: StateChunk): Promise<void> => {
          context.set(chunkName(index), text);
          return Promise.resolve();
        },
      ),
      rest: handlers.object.exclusive(PRIVATE, rest),
      take: handlers.object.exclusive(PRIVATE, take),
      back: handlers.object.exclusive(PRIVATE, back),
      ended: handlers.object.exclusive(PRIVATE, ended),
      leave: handlers.object.exclusive(PRIVATE, leave),
      cancel: handlers.object.exclusive(PRIVATE, cancel),
      late: handlers.object.exclusive(PRIVATE, late),
      wake: handlers.object.exclusive(PRIVATE, async (context: ObjectContext, of: OfLife): Promise<void> => {
        const kept = await context.get<Kept>('record');
        const waits = kept?.isResting === true && kept.status === 'SUSPENDED';
        if (!waits || !isOf(kept, of)) return;
        // The clock of this worker may be behind the one by which the run waits: nothing would be due yet.
        begin(context, kept, Math.max(await context.date.now(), kept.wakesAt ?? 0));
      }),
      forget: handlers.object.exclusive(
        PRIVATE,
        async (context: ObjectContext, of: OfLife): Promise<void> => {
          const kept = await context.get<Kept>('record');
          if (kept === null || !isOf(kept, of)) return;
          if (kept.mark !== undefined) context.cancel(kept.mark as Parameters<typeof context.cancel>[0]);
          context.clearAll();
        },
      ),
      mark: handlers.object.exclusive({ ...PRIVATE, idempotencyRetention: 0 }, () => Promise.resolve()),
      secret: handlers.object.shared(
        PRIVATE,
        async (context: ObjectSharedContext): Promise<string | null> => {
          const kept = await context.get<Kept>('record');
          return kept?.secret ?? null;
        },
      ),
      // Whoever begins a run under an id of their own asks first, and nothing is kept of most: to be told so takes a turn less with the question.
      get: handlers.object.shared({ journalRetention: 0, input: BODY.none, enableLazyState: false }, read),
      text: handlers.object.shared(
        { journalRetention: 0, input: BODY.text },
        async (context: ObjectSharedContext, body: Pick<StateChunk, 'index'>): Promise<string> =>
          (await context.get<string>(chunkName(acceptIndex(body).index))) ?? '',
      ),
      drop: handlers.object.exclusive(
        { journalRetention: 0, input: BODY.none },
        (context: ObjectContext): Promise<boolean> => drop(context, settings.retentionMs),
      ),
      answer: handlers.object.exclusive(
        { journalRetention: 0, input: BODY.answer },
        (context: ObjectContext, body: GivenAnswer): Promise<void> =>
          answer(context, acceptAnswer(body), settings.ingress),
      ),
    },
    // A state may be large, and most of these do not look at it.
    options: { enableLazyState: true, retryPolicy: retriedForEver(settings) },
  });
}

interface OfLife {
  readonly life: number;
  /** The run, among those that have had its id. */
  readonly incarnation?: string | undefined;
}

function isOf(kept: Kept, { life, incarnation }: OfLife): boolean {
  return kept.life === life && kept.incarnation === incarnation;
}

/** A life is over, and others may follow. */
async function rest(context: ObjectContext, request: RestRequest): Promise<void> {
  const { life, status, text, chunks, incarnation, wakesAfterMs, wakesAt, goesOn, keptForMs, secret } =
    request;
  const before = await context.get<Kept>('record');
  const ending = endingOf(request);
  if (before?.incarnation === incarnation && before !== null && isOver(before, life)) {
    if (ending !== undefined) await endLater(context, before, life, ending);
    return;
  }
  const lately = (await context.get<readonly GivenAnswer[]>('late')) ?? [];
  context.clear('late');
  for (let i = chunks; i < (before?.chunks ?? 0); i += 1) context.clear(chunkName(i));
  context.set(chunkName(0), text);
  // What is forgotten with its lives needs no mark, which would cost as much as all else here.
  const isMarked = before?.mark !== undefined || keptForMs === undefined;
  const mark = isMarked ? (before?.mark ?? (await send(context, 'mark', {}, EVER_MS, KEPT_MARK))) : undefined;
  const kept: Kept = {
    life,
    status,
    isResting: true,
    answers: answersThatFit(recordedRun(context.key).runId, [...request.answers, ...lately]),
    chunks,
    ...(incarnation !== undefined && { incarnation }),
    ...(wakesAt !== undefined && { wakesAt }),
    ...(mark !== undefined && { mark }),
    ...(secret !== undefined && { secret }),
    ...(ending !== undefined && { ending }),
    ...(goesOn === true && { goesOn }),
  };
  context.set('record', kept);
  const isHeard = lately.length > 0 && status === 'SUSPENDED';
  if (isHeard || ending !== undefined || wakesAfterMs === 0)
    begin(context, kept, await context.date.now(), ending);
  else if (wakesAfterMs !== undefined) await send(context, 'wake', { life, incarnation }, wakesAfterMs);
  if (keptForMs !== undefined) await send(context, 'forget', { life, incarnation }, keptForMs + LATE_MS);
}

/** Whether a life has put down before how the run stands behind it. */
function isOver(kept: Kept, life: number): boolean {
  return kept.life > life || (kept.life === life && kept.isResting && kept.rested === undefined);
}

function endingOf({ isCancelAsked, isLeft, cancelReason }: RestRequest): Ending | undefined {
  if (isCancelAsked === true)
    return { isCancelled: true, ...(cancelReason !== undefined && { reason: cancelReason }) };
  return isLeft === true ? { isLeft } : undefined;
}

/** A life was cancelled while it put down how the run stands. The next one may be about to begin, under way, or over. */
async function endLater(context: ObjectContext, kept: Kept, life: number, ending: Ending): Promise<void> {
  const isAsked = ending.isCancelled === true;
  if (!kept.isResting) {
    const { service, runId } = recordedRun(context.key);
    const { reason } = ending;
    context.genericSend({
      service,
      method: 'cancel',
      key: keyOf(runId, kept.life),
      parameter: { isAsked, ...(reason !== undefined && { reason }) } satisfies CancelRequest,
      inputSerde: JSON_SERDE,
    });
    return;
  }
  // Behind a later life a run that is left only waits, or is gone on with by somebody else.
  if (kept.status !== 'SUSPENDED' || (kept.life > life && !isAsked)) return;
  context.set('record', { ...kept, ending });
  begin(context, kept, await context.date.now(), ending);
}

/**
 * Somebody has asked for the end of a life, or left it. One that had put down how the run stands does not hear of that any more: the next
 * one has to end the run then. Whoever leaves a run that only waits changes nothing.
 */
async function cancel(
  context: ObjectContext,
  { life, isAsked, reason }: OfLife & CancelRequest,
): Promise<void> {
  const kept = await context.get<Kept>('record');
  const isUnheard = kept?.life === life && kept.isResting && kept.ending === undefined;
  if (!isUnheard || !(isAsked || kept.goesOn === true)) return;
  const asked = { isCancelled: true, ...(reason !== undefined && { reason }) };
  await endLater(context, kept, life, isAsked ? asked : { isLeft: true });
}

/**
 * The next life begins with what is kept. It stays kept: that life may break before it comes to a rest.
 *
 * @throws TerminalError with status 409 for another life, unless whoever has begun it knows that those before it have broken off: it
 * would go on beside the one under way, or leave those between it and the latest out.
 */
async function take(
  context: ObjectContext,
  { life, isTold }: OfLife & { readonly isTold: boolean },
): Promise<ReadRecord | null> {
  const kept = await context.get<Kept>('record');
  if (kept === null || kept.life > life) return null;
  const isNext = kept.life === life || (kept.life === life - 1 && kept.isResting);
  if (!isNext && !isTold) {
    const { runId } = recordedRun(context.key);
    const latest = `life ${kept.life} ${kept.isResting ? 'is its latest' : 'is under way, or has broken off'}`;
    throw new TerminalError(`Cannot begin life ${life} of run "${runId}": ${latest}`, { errorCode: 409 });
  }
  // Asked twice, it is RUNNING already.
  const rested = kept.isResting ? kept.status : kept.rested;
  context.set('record', {
    ...kept,
    life,
    isResting: false,
    status: 'RUNNING',
    ...(rested !== undefined && { rested }),
  });
  return { ...kept, text: (await context.get<string>(chunkName(0))) ?? '' };
}

/**
 * Stops a run that sleeps between two lives, and gives what its next life tells of that: nobody follows it any more, and so are
 * thousands of others, perhaps. Null where that life has to find out more.
 */
async function leave(
  context: ObjectContext,
  { life, at, keptForMs }: OfLife & { readonly at: number; readonly keptForMs: number },
): Promise<readonly RunEvent[] | null> {
  const kept = await context.get<Kept>('record');
  const isAsked = kept?.ending?.isCancelled === true;
  const isPlain = kept?.isResting === true && kept.life === life - 1 && kept.chunks === 1 && !isAsked;
  const text = isPlain ? await context.get<string>(chunkName(0)) : null;
  if (kept === null || text === null) return null;
  const state = validate(RunState, JSON.parse(text), `state of run "${context.key}"`);
  if (state.status !== 'SUSPENDED' || state.reason !== 'drain') return null;
  const { runId, seq, steps, endedAt = 0 } = state;
  const reused = [...steps].filter(({ status }) => status === 'COMPLETED' || status === 'SKIPPED').length;
  const base = { runId, at: Math.max(at, endedAt) };
  const events: readonly RunEvent[] = [
    { ...base, type: 'run.resumed', seq: seq + 1, life: state.life + 1, reused },
    { ...base, type: 'run.cancelled', seq: seq + 2, duration: 0 },
  ];
  context.set(chunkName(0), JSON.stringify(RunState.encode(reduceRunAll(state, events))));
  context.set('record', { ...kept, life, status: 'CANCELLED' });
  await send(context, 'forget', { life, incarnation: kept.incarnation }, keptForMs + LATE_MS);
  return events;
}

/** A life that was refused has changed nothing. */
async function back(context: ObjectContext, { life }: OfLife): Promise<void> {
  const kept = await context.get<Kept>('record');
  if (kept?.life !== life || kept.isResting) return;
  context.set('record', { ...kept, isResting: true, status: kept.rested ?? 'FAILED' });
}

/** The run is over. Whoever follows its latest life needs what was before it, as long as that life can be followed. */
async function ended(context: ObjectContext, { life, keptForMs }: OfLife & { readonly keptForMs: number }) {
  const kept = await context.get<Kept>('record');
  if (kept?.life !== life) return;
  context.set('record', { ...kept, status: 'COMPLETED', answers: [] });
  const { incarnation } = kept;
  await send(context, 'forget', { life, incarnation }, keptForMs + LATE_MS);
}

/** Nobody can go on with the run any more. False when it is not kept, or over. */
async function drop(context: ObjectContext, keptForMs: number): Promise<boolean> {
  const kept = await context.get<Kept>('record');
  if (kept === null || kept.status === 'COMPLETED' || kept.status === 'CANCELLED') return false;
  context.set('record', { ...kept, status: 'CANCELLED', isResting: true, answers: [] });
  const { life, incarnation } = kept;
  await send(context, 'forget', { life, incarnation }, keptForMs + LATE_MS);
  return true;
}

async function read(context: ObjectSharedContext): Promise<ReadRecord | null> {
  const kept = await context.get<Kept>('record');
  if (kept === null) return null;
  const { secret: _secret, ...shown } = kept;
  return { ...shown, text: (await context.get<string>(chunkName(0))) ?? '' };
}

/** An answer for the run, wherever it stands. Where the key of the run is a stranger's, the server is asked who serves it. */
async function answer(context: ObjectContext, given: GivenAnswer, ingress?: Ingress): Promise<void> {
  const kept = await context.get<Kept>('record');
  const { service, runId } = recordedRun(context.key);
  // The server asks a service that nobody has for ever.
  const isNobodys =
    agentOf(service) === undefined ||
    (kept === null && ingress !== undefined && (await isUnserved(context, ingress, service, runId)));
  if (isNobodys) throw new TerminalError(`There is no run at "${context.key}"`, { errorCode: 404 });
  if (kept?.status === 'COMPLETED')
    throw new TerminalError(
      `Run "${runId}" has completed: nobody takes an answer to step "${given.path}" any more`,
      { errorCode: 409 },
    );
  if (kept?.isResting !== true) {
    context.genericSend({
      service,
      method: 'answer',
      // Where nothing is kept, the run is in its first life.
      key: keyOf(runId, kept?.life ?? 1),
      parameter: given,
      inputSerde: JSON_SERDE,
    });
    return;
  }
  context.set('record', { ...kept, answers: withAnswer(kept.answers, given) });
  if (kept.status === 'SUSPENDED') begin(context, kept, await context.date.now());
}

/** Whether the server says that nobody serves this. It is taken to be served where the server is out of reach. */
async function isUnserved(
  context: ObjectContext,
  ingress: Ingress,
  service: string,
  runId: string,
): Promise<boolean> {
  const limits = { timeoutMs: LOOK_MS, patienceMs: LOOK_MS };
  return context.run('served', () =>
    // About a run itself it says the same whether or not somebody serves it.
    ingress.request(callPath(service, runId, 'answer', 'none'), limits).then(
      () => false,
      (error: unknown) => error instanceof IngressError && isNotServed(error),
    ),
  );
}

/** An answer that a life has not taken, because it was over. What it has left behind may still be on its way. */
async function late(context: ObjectContext, { life, ...given }: LateAnswer): Promise<void> {
  const kept = await context.get<Kept>('record');
  // What is kept may be of an earlier run of this id, which was cancelled.
  const isOther = given.incarnation !== undefined && kept?.incarnation !== given.incarnation;
  const isAhead = kept === null || isOther || kept.life < life || (kept.life === life && !kept.isResting);
  if (!isAhead) {
    await answer(context, given);
    return;
  }
  const others = (await context.get<readonly GivenAnswer[]>('late')) ?? [];
  try {
    context.set('late', withAnswer(others, given));
  } catch (error) {
    // Whoever gave it may have been told that it was taken: it was sent on from here.
    warnDropped(recordedRun(context.key).runId, 1);
    throw error;
  }
}

/**
 * With one answer more.
 *
 * @throws TerminalError with status 413 where no message could carry them all.
 */
function withAnswer(answers: readonly GivenAnswer[], given: GivenAnswer): readonly GivenAnswer[] {
  const all = [...answers, given];
  if (asManyAsFit(all).length < all.length)
    throw new TerminalError(
      `Cannot keep the answer to step "${given.path}": more than ${LARGEST_ANSWERS} bytes of answers wait already`,
      { errorCode: 413 },
    );
  return all;
}

/** Begins the next life; the server takes the first of several such requests. */
function begin(context: ObjectContext, { life, secret }: Kept, at: number, ending?: Ending): void {
  const { service, runId } = recordedRun(context.key);
  const request: StartRequest = {
    runId,
    life: life + 1,
    at,
    onMismatch: 'refuse',
    ...(secret !== undefined && { secret }),
    ...ending,
  };
  context.genericSend({
    service,
    method: 'run',
    key: keyOf(runId, life + 1),
    parameter: request,
    inputSerde: JSON_SERDE,
  });
}

function send(
  context: ObjectContext,
  method: string,
  parameter: unknown,
  delay: number,
  idempotencyKey?: string,
): Promise<string> {
  return context.genericSend({
    service: RECORDS_SERVICE,
    method,
    key: context.key,
    parameter,
    delay,
    inputSerde: JSON_SERDE,
    ...(idempotencyKey !== undefined && { idempotencyKey }),
  }).invocationId;
}

function chunkName(index: number): string {
  return `state:${index}`;
}

const JSON_SERDE = serde.json as unknown as Serde<unknown>;
