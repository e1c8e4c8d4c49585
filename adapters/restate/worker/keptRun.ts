import type { Serde, WorkflowContext, WorkflowSharedContext } from '@restatedev/restate-sdk';
import { CancelledError, serde, TerminalError } from '@restatedev/restate-sdk';

import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import type { RunEvent } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { summaryOf } from '../../../lib/store/summary';
import type {
  CancelRequest,
  Ending,
  GivenAnswer,
  LateAnswer,
  ReadRecord,
  RestRequest,
  Seal,
  SealedParts,
  StateChunk,
} from '../protocol/protocol';
import { lifeOf, recordKey, RECORDS_SERVICE } from '../protocol/serviceNames';
import { asManyAsFit, piecesOf } from '../protocol/wireEvent';
import { LARGEST_CHUNK, MOST_CHUNKS } from '../protocol/wireLimits';
import { resolveOnce } from './publishedEvents';

/** How the run stood before this life. */
export interface Before {
  /** `RunState` in JSON. */
  readonly state: unknown;
  readonly answers: readonly GivenAnswer[];
  /** That of the lives of the run; unknown where one of an earlier version has left it. */
  readonly secret?: string;
  /** How the run shall end, where that was asked for when the life before could not end it any more. */
  readonly ending?: Ending;
}

/** What a life leaves behind, and when others may follow. */
export interface Rest {
  readonly state: RunState;
  /** Answers that nobody has used. */
  readonly answers: readonly GivenAnswer[];
  /** Position of the first message that was not read. */
  readonly read: number;
  readonly isCancelAsked: boolean;
  readonly cancelReason?: string;
  /** Whether the life was cancelled after its end: by somebody who asked for that, or because nobody follows the run any more. */
  readonly isCancelled?: boolean;
  /** The run has not come to a rest: the next life begins by itself. */
  readonly goesOn: boolean;
  /** Not before a step wakes, in that case; otherwise at once. */
  readonly isAsleep: boolean;
  /** When the life was refused, epoch milliseconds by the clock of the run, and why: the run waits for no longer because of that. */
  readonly refused?: { readonly at: number; readonly why: string };
}

/** The record of one run, as its lives use it. */
export class KeptRun {
  readonly #context: WorkflowContext;
  readonly #service: string;
  readonly #key: string;
  readonly #life: number;
  /** Whether the life was cancelled while it put down how the run stands. */
  isCancelled = false;

  constructor(context: WorkflowContext, service: string) {
    const { runId, life } = lifeOf(context.key);
    this.#context = context;
    this.#service = service;
    this.#key = recordKey(service, runId);
    this.#life = life;
  }

  /**
   * What the lives before this one have left; undefined where nothing is kept.
   *
   * @param isTold - Whether whoever has begun this life knows that those before it have broken off.
   * @throws TerminalError with status 409 when it is not the turn of this life.
   */
  async take(isTold: boolean): Promise<Before | undefined> {
    const record = await this.#call<ReadRecord | null>('take', { life: this.#life, isTold });
    if (record === null) return undefined;
    const { secret, ending } = record;
    let { text } = record;
    for (let index = 1; index < record.chunks; index += 1)
      text += await this.#call<string>('text', { index });
    return {
      state: JSON.parse(text) as unknown,
      answers: record.answers,
      ...(secret !== undefined && { secret }),
      ...(ending !== undefined && { ending }),
    };
  }

  /** Ends what is told beside the journal of this life: later batches are refused. Gives what was told. */
  sealNested(): Promise<SealedParts> {
    return this.#call<SealedParts>('nested', {}, this.#service, this.#context.key);
  }

  /**
   * Puts down how the run stands, and takes no more answers in: those that come from here on are for the next life.
   *
   * @param keptForMs - How long a run that was cancelled can be gone on with, in milliseconds.
   * @param secret - That of the life, for those after it.
   */
  async rest(rest: Rest, keptForMs: number, secret: string): Promise<void> {
    const { state } = rest;
    const { status, incarnation } = state;
    if (rest.isCancelled === true) this.isCancelled = true;
    const late = await this.#seal(rest.read);
    const answers = answersThatFit(state.runId, [...rest.answers, ...late]);
    const chunks = chunksOf(state);
    for (const [index, text] of chunks.entries()) {
      if (index > 0) await this.#call<undefined>('chunk', { index, text } satisfies StateChunk);
    }
    const isNow = (rest.goesOn && !rest.isAsleep) || (late.length > 0 && status === 'SUSPENDED');
    const { refused } = rest;
    const restsAt = Math.max(state.endedAt ?? 0, refused?.at ?? 0);
    const dueMs = wakesAfter(state, restsAt);
    // Whoever is refused now would be again.
    const isInVain = refused !== undefined && dueMs !== undefined && dueMs <= 0;
    if (isInVain) warnOverdue(state.runId, refused.why);
    const wakesAfterMs = isNow ? 0 : dueMs === undefined || isInVain ? undefined : Math.max(1, dueMs);
    const request: RestRequest = {
      life: this.#life,
      status,
      answers,
      text: chunks[0] ?? '',
      chunks: chunks.length,
      ...(incarnation !== undefined && { incarnation }),
      ...(wakesAfterMs !== undefined && { wakesAfterMs, wakesAt: restsAt + wakesAfterMs }),
      ...(rest.goesOn && { goesOn: true }),
      ...(status === 'CANCELLED' && { keptForMs }),
      secret,
    };
    // Cancelled meanwhile, it is told once more, with that.
    await this.#insist(async () =>
      this.#ask<undefined>('rest', { ...request, ...(await this.#ending(rest)) }),
    );
  }

  /** How the next life has to end the run: because of a cancel that has come since this one was over, too. */
  async #ending({
    state,
    isCancelAsked,
    cancelReason,
    goesOn,
  }: Rest): Promise<Pick<RestRequest, 'isCancelAsked' | 'isLeft' | 'cancelReason'>> {
    if (state.status !== 'SUSPENDED' || (!isCancelAsked && !this.isCancelled)) return {};
    const asked = isCancelAsked ? undefined : await cancelAsked(this.#context);
    const reason = cancelReason ?? reasonOf(asked);
    if (isCancelAsked || asked !== undefined)
      return { isCancelAsked: true, ...(reason !== undefined && { cancelReason: reason }) };
    // A run that only waits is not under way: whoever leaves it changes nothing.
    return goesOn ? { isLeft: true } : {};
  }

  /** Stops a run that sleeps, in the place of this life. Gives what is told of that; null where the life has to do it. */
  leave(at: number, keptForMs: number): Promise<readonly RunEvent[] | null> {
    return this.#call<readonly RunEvent[] | null>('leave', { life: this.#life, at, keptForMs });
  }

  /** The life was refused, and cannot say how the run stands: that stays as it was. */
  async giveBack(): Promise<void> {
    if (this.#life > 1) await this.#call<undefined>('back', { life: this.#life });
  }

  /** The run has completed, and others need not be able to go on with it. */
  ended(keptForMs: number): void {
    this.#context.genericSend({
      service: RECORDS_SERVICE,
      method: 'ended',
      key: this.#key,
      parameter: { life: this.#life, keptForMs },
      inputSerde: JSON_SERDE,
    });
  }

  /** Reads what has come since, and closes the inbox behind it. */
  async #seal(from: number): Promise<readonly GivenAnswer[]> {
    const late: GivenAnswer[] = [];
    for (let i = from; ;) {
      const name = `in:${i}`;
      const given = await this.#insist(() => this.#context.promise<GivenAnswer | Seal>(name).peek());
      if (given === undefined) {
        // Where an answer has come in between, it is read too.
        if (await this.#insist(() => resolveOnce(this.#context, name, SEAL))) return late;
      } else if ('isSealed' in given) return late;
      else {
        late.push(given);
        i += 1;
      }
    }
  }

  #call<R>(method: string, parameter: unknown, service = RECORDS_SERVICE, key = this.#key): Promise<R> {
    return this.#insist(() => this.#ask<R>(method, parameter, service, key));
  }

  async #ask<R>(method: string, parameter: unknown, service = RECORDS_SERVICE, key = this.#key): Promise<R> {
    return this.#context.genericCall<unknown, R>({
      service,
      method,
      key,
      parameter,
      inputSerde: JSON_SERDE,
      outputSerde: JSON_SERDE as Serde<R>,
    });
  }

  /** A cancel that comes meanwhile must not keep the rest from being put down: it is for the next life. */
  async #insist<T>(ask: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof CancelledError) || tries === MOST_CANCELS) throw error;
        this.isCancelled = true;
      }
    }
  }
}

/**
 * Takes an answer in for a life. One that comes after its end is kept for the next.
 */
export async function takeAnswer(
  context: WorkflowSharedContext,
  service: string,
  given: GivenAnswer,
): Promise<void> {
  for (let i = 0; !(await resolveOnce(context, `in:${i}`, given)); i += 1) {
    const other = await context.promise<GivenAnswer | Seal>(`in:${i}`).peek();
    if (other === undefined || !('isSealed' in other)) continue;
    const { runId, life } = lifeOf(context.key);
    const late: LateAnswer = { ...given, life };
    await context.genericCall<LateAnswer, undefined>({
      service: RECORDS_SERVICE,
      method: 'late',
      key: recordKey(service, runId),
      parameter: late,
      inputSerde: JSON_SERDE as Serde<LateAnswer>,
      outputSerde: JSON_SERDE as Serde<undefined>,
    });
    return;
  }
}

/** Has the run ended behind a life, too: one that has just put down how the run stands hears nothing of its cancel any more. */
export function cancelBehind(context: WorkflowSharedContext, service: string, asked: CancelRequest): void {
  const { runId, life } = lifeOf(context.key);
  context.genericSend({
    service: RECORDS_SERVICE,
    method: 'cancel',
    key: recordKey(service, runId),
    parameter: { ...asked, life },
    inputSerde: JSON_SERDE,
  });
}

/** Resolved when somebody has asked for the end of a life: sagas undo then what they have done. */
export const CANCEL_ASKED = 'cancel asked';

/** With why, where somebody said; workers of earlier versions never say. */
export type CancelAsked = true | { readonly reason: string };

/**
 * Whether somebody has asked for the end of the life, and why.
 *
 * @param cancelled - Told when the life is cancelled meanwhile.
 */
export async function cancelAsked(
  context: WorkflowContext,
  cancelled: () => void = () => undefined,
): Promise<CancelAsked | undefined> {
  for (;;) {
    try {
      return await context.promise<CancelAsked>(CANCEL_ASKED).peek();
    } catch (error) {
      if (!(error instanceof CancelledError)) throw error;
      cancelled();
    }
  }
}

/** Why, where somebody said. */
export function reasonOf(asked: CancelAsked | undefined): string | undefined {
  return typeof asked === 'object' ? asked.reason : undefined;
}

/** The secret that the lives of a run hand on; null where none is kept. */
export function keptSecret(context: WorkflowSharedContext, key: string): Promise<string | null> {
  return context.genericCall<unknown, string | null>({
    service: RECORDS_SERVICE,
    method: 'secret',
    key,
    parameter: {},
    inputSerde: JSON_SERDE,
    outputSerde: JSON_SERDE as Serde<string | null>,
  });
}

/** As many of the answers that a run has not used as can be kept. Says so when those are not all. */
export function answersThatFit(runId: string, given: readonly GivenAnswer[]): readonly GivenAnswer[] {
  const answers = asManyAsFit(given);
  if (answers.length < given.length) warnDropped(runId, given.length - answers.length);
  return answers;
}

/** Says that the latest of the answers of a run are lost. */
export function warnDropped(runId: string, count: number): void {
  const last = count === 1 ? 'the last is' : `the last ${count} are`;
  process.emitWarning(
    `Run "${runId}" was given more answers that it has not used than can be kept: ${last} dropped`,
    'RestateWarning',
  );
}

/** The state as texts that a message carries each. */
function chunksOf(state: RunState): readonly string[] {
  const text = JSON.stringify(StateCodec.encode(state));
  if (text.length > LARGEST_CHUNK * MOST_CHUNKS) {
    throw new TerminalError(
      `Run "${state.runId}" cannot rest: its results are larger than ${LARGEST_CHUNK * MOST_CHUNKS} characters; keep references instead`,
    );
  }
  return piecesOf(text);
}

/** Milliseconds to the first deadline of a run that waits or sleeps, or the first time limit around what does; none left where it has passed. */
function wakesAfter(state: RunState, now: number): number | undefined {
  const { dueAt } = summaryOf(state);
  if (state.status !== 'SUSPENDED' || dueAt === undefined) return undefined;
  return dueAt - now + 1;
}

function warnOverdue(runId: string, why: string): void {
  process.emitWarning(
    `Run "${runId}" cannot go on, though its time has come: ${why}; serve what it began with and resume() it, or cancel() it`,
    'RestateWarning',
  );
}

const SEAL: Seal = { isSealed: true };
const MOST_CANCELS = 100;
const JSON_SERDE = serde.json as unknown as Serde<unknown>;
