import { isDeepStrictEqual } from 'node:util';

import { asyncScheduler } from 'rxjs';

import { jsonValue } from '../../../lib/codec/jsonValue';
import { RunState as StateCodec } from '../../../lib/codec/stateCodec';
import type { Definition } from '../../../lib/definition/definition';
import { definitionOf, planOf } from '../../../lib/definition/definition';
import type { RunRequest } from '../../../lib/engine/engine';
import { newIncarnation } from '../../../lib/engine/newRunId';
import { replayedEnd } from '../../../lib/engine/resolveStart';
import { InputMismatchError } from '../../../lib/errors/runErrors';
import { UnknownRunError } from '../../../lib/errors/storageErrors';
import type { RunEvent, Transition } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { idleState } from '../../../lib/model/state';
import { summaryOf } from '../../../lib/store/summary';
import { pause } from '../protocol/pause';
import type { Ending, StartRequest } from '../protocol/protocol';
import { isNewId } from '../protocol/newId';
import { keyOf } from '../protocol/serviceNames';
import { LARGEST_VALUE } from '../protocol/wireLimits';
import { RunStalledError } from '../restateErrors';
import { fateOfLife, lostInput, nextAfter, requestOf } from './broken/brokenLife';
import { cancelLatest } from './cancelRun';
import type { EngineContext } from './engineContext';
import { serviceFor } from './engineContext';
import { followLife } from './followLife';
import type { Following } from './lifeResult';
import { resultOf, stateAfter } from './lifeResult';
import { knownRun } from './runRecord';

/** A run that is followed, and whoever listens. */
export interface RunToFollow<O> {
  readonly request: RunRequest<O>;
  /** Whether a life is begun when none is under way. */
  readonly begins: boolean;
  readonly tell: (transition: Transition<O>) => void;
  readonly signal: AbortSignal;
  /** Told before the server is asked to begin a life. */
  readonly asks: (life: number) => void;
  /** Told when a run falls asleep behind this life, and when it has woken. */
  readonly sleeps?: (life: number, isAsleep: boolean) => void;
}

/** Follows a run through the life that is under way, or begins one. Resolves with the state at its end. */
export function followRun<O>(context: EngineContext, run: RunToFollow<O>): Promise<RunState<O>> {
  return new FollowedRun(context, run).toItsEnd();
}

const NEXT_LIFE_MS = 50;
const LONGEST_LATE_MS = 5_000;

/** How the client got to know a life: not yet, as one that has begun, or as one that is over. */
type Knowledge = 'unknown' | 'begun' | 'over';

class FollowedRun<O> {
  readonly #context: EngineContext;
  readonly #run: RunToFollow<O>;
  readonly #input: unknown;
  /** How the run stands before the life that is looked at; after it when that is over. */
  #base: RunState<O>;
  #life = 1;
  #knowledge: Knowledge = 'unknown';
  /** Whether the life that is over has left nothing but what it had told. */
  #isBroken = false;
  /** How the run stood before that life, where that is known. */
  #before: RunState<O> | undefined;
  /** Whether anything of that life has been told. */
  #isTold = false;
  /** Whether that life is followed also when it is over. */
  #isAwaited = false;
  /** The end of that life, where it may not be one of the run. */
  #cancelled: Transition<O> | undefined;
  /** For a life after a completed or broken one: nobody else hands that on. */
  #seed: unknown;

  constructor(context: EngineContext, run: RunToFollow<O>) {
    this.#context = context;
    this.#run = run;
    this.#input = jsonValue(run.request.input, '', { bytes: LARGEST_VALUE });
    this.#base = this.#idle();
  }

  async toItsEnd(): Promise<RunState<O>> {
    const { begins, request } = this.#run;
    // Under a new id the server can keep nothing: not to ask saves one question for each run.
    const isNew = begins && request.mustExist !== true && isNewId(request.runId, asyncScheduler.now());
    if (!isNew) await this.#lookUp();
    for (;;) {
      if (this.#knowledge === 'unknown' && begins) {
        const end = await this.#begin();
        if (end === 'known' && isNew && this.#life === 1) await this.#lookUp();
        if (typeof end === 'object' && (await this.#isEnd(end))) return end;
        if (typeof end === 'object') this.#leaveLife(end);
      }
      if (this.#knowledge !== 'over') {
        const end = await this.#followBegun();
        if (end !== undefined && (await this.#isEnd(end))) return end;
        if (end !== undefined) this.#leaveLife(end);
      }
      // Only how its latest life stands counts.
      if (await this.#hasNext()) {
        await this.#skipLives();
        continue;
      }
      if (goesOn(this.#base)) {
        if (begins) this.#refuseOtherInput();
        if (!this.#isTold) await this.#tellAgain();
        await this.#waitForNext();
        this.#toAwaited();
        continue;
      }
      if (!begins && (await this.#isReplaced())) {
        await this.#waitForNext();
        this.#toAwaited();
        continue;
      }
      if (!begins) return this.#tellAgain();
      const completed = this.#decide();
      if (completed !== undefined) return completed;
      this.#toNext();
    }
  }

  /** Where the run stands, if it has rested before: its first lives may be forgotten. */
  async #lookUp(): Promise<void> {
    const { request, begins } = this.#run;
    const { agent, runId } = request;
    const isWalked = !begins && (await resultOf(this.#context, agent, keyOf(runId, 1))) !== 'unknown';
    const known = isWalked ? undefined : await knownRun(this.#context, agent, runId);
    if (known === undefined) {
      if (request.mustExist !== true) return;
      const first = await resultOf(this.#context, agent, keyOf(runId, 1));
      if (first === 'unknown') throw new UnknownRunError(runId);
      // Whoever goes on with it has no input to begin it with.
      this.#knowledge = 'begun';
      return;
    }
    this.#life = known.life;
    this.#base = known.state;
    this.#knowledge = known.isResting ? 'over' : 'begun';
  }

  /** @throws InvalidArgumentError where the lives before have left nothing, and whoever asks has no input either. */
  async #begin(): Promise<RunState<O> | 'known' | 'broken'> {
    const { request, signal, asks } = this.#run;
    const isAnew = this.#isBroken && this.#seed === undefined;
    if (isAnew && request.mustExist === true)
      throw lostInput('go on with', request.runId, this.#context.admin !== undefined);
    const before = keyOf(request.runId, this.#life - 1);
    const { isCancelled, isLeft, reason } = this.#isBroken
      ? await nextAfter(this.#context, request.agent, before)
      : ({} as Ending);
    const isEnded = request.signal?.aborted === true || isCancelled === true;
    const start: StartRequest = {
      runId: request.runId,
      life: this.#life,
      at: asyncScheduler.now(),
      onMismatch: this.#onMismatch(),
      incarnation: newIncarnation(),
      secret: newIncarnation(),
      ...(this.#input !== undefined && { input: this.#input }),
      ...(this.#seed !== undefined && { seed: this.#seed }),
      ...(isEnded && { isCancelled: true }),
      ...(isLeft === true && !isEnded && { isLeft }),
      ...(reason !== undefined && { reason }),
      ...(isAnew && { isAnew: true }),
    };
    if (!signal.aborted) asks(this.#life);
    return followLife(this.#context, this.#following(), start);
  }

  /** Follows the life to its end when it is under way; otherwise reads how it has left the run. */
  async #followBegun(): Promise<RunState<O> | undefined> {
    const { request, begins } = this.#run;
    const { agent, runId } = request;
    const result = await resultOf(this.#context, agent, keyOf(runId, this.#life));
    if (result === 'unknown') {
      const isGone = !begins || request.mustExist === true || this.#knowledge === 'unknown';
      if (isGone) throw new UnknownRunError(runId);
      // It has completed, and is forgotten but for a trace: what begins now is another run.
      this.#life = 0;
      this.#base = this.#idle();
      this.#knowledge = 'over';
      return undefined;
    }
    if (result === 'under way' || this.#isAwaited) {
      this.#isAwaited = false;
      if (begins && request.signal?.aborted === true) {
        await cancelLatest(this.#context, request, true, this.#life);
      }
      const end = await followLife(this.#context, this.#following());
      return typeof end === 'object' ? end : this.#followBegun();
    }
    this.#before = this.#base;
    this.#base = await stateAfter(this.#context, this.#following(), result);
    this.#isBroken = result.broken !== undefined;
    this.#knowledge = 'over';
    return undefined;
  }

  async #hasNext(): Promise<boolean> {
    const { agent, runId } = this.#run.request;
    return (await resultOf(this.#context, agent, keyOf(runId, this.#life + 1))) !== 'unknown';
  }

  /**
   * Whether a life has ended the run, for whoever follows it from here: not where another one goes on, nor where it was only stopped
   * because somebody else who followed it has left.
   */
  async #isEnd(end: RunState<O>): Promise<boolean> {
    if (goesOn(end)) return false;
    const cancelled = this.#cancelled;
    this.#cancelled = undefined;
    if (cancelled === undefined) return true;
    if (await this.#isOnlyLeft()) return false;
    this.#run.tell(cancelled);
    return true;
  }

  async #isOnlyLeft(): Promise<boolean> {
    const { request, signal } = this.#run;
    if (signal.aborted || request.signal?.aborted === true) return false;
    const { agent, runId } = request;
    const key = keyOf(runId, this.#life);
    const { admin } = this.#context;
    try {
      const { isLeft, isCancelAsked } = await fateOfLife(this.#context, agent, key);
      if (isLeft === true || isCancelAsked) return !isCancelAsked;
      // Behind a sleep nobody leaves a life: one is begun that only stops.
      return admin !== undefined && (await requestOf(admin, serviceFor(agent), key))?.isLeft === true;
    } catch {
      // Nobody can say: it has ended.
      return false;
    }
  }

  /** Whether the life was killed by somebody who is about to begin the next one. */
  async #isReplaced(): Promise<boolean> {
    if (!this.#isBroken) return false;
    const { agent, runId } = this.#run.request;
    return (await fateOfLife(this.#context, agent, keyOf(runId, this.#life))).isReplaced;
  }

  /** The life has ended only because another goes on. */
  #leaveLife(end: RunState<O>): void {
    this.#base = end;
    this.#isBroken = false;
    this.#knowledge = 'over';
  }

  /**
   * Waits until the server has begun the next life: at once, or when a step wakes. It may do so earlier, because somebody answers or
   * cancels; the clock here may differ from the one by which the run sleeps.
   *
   * @throws RunStalledError when it has not for as long as the patience.
   */
  async #waitForNext(): Promise<void> {
    const run = this.#run;
    const { patienceMs, pace, sleepers } = this.#context;
    const service = serviceFor(run.request.agent);
    const since = asyncScheduler.now();
    const { sleepMs, leftMs } = sleepOf(this.#base, since);
    const wake = pace.fallAsleep();
    run.sleeps?.(this.#life, true);
    try {
      let pauseMs = NEXT_LIFE_MS;
      while (!(await this.#hasNext())) {
        const passedMs = asyncScheduler.now() - since;
        if (passedMs > sleepMs + patienceMs)
          throw new RunStalledError(run.request.runId, patienceMs, 'its next life has not begun');
        const toDueMs = leftMs - passedMs;
        const mostMs = toDueMs > 0 ? toDueMs : LONGEST_LATE_MS;
        if (sleepers !== undefined && pace.isDormitory())
          await sleepers.begun(service, keyOf(run.request.runId, this.#life + 1), run.signal, mostMs);
        else await pause(Math.min(pauseMs, mostMs), run.signal);
        run.signal.throwIfAborted();
        pauseMs = toDueMs > 0 && toDueMs <= pauseMs ? NEXT_LIFE_MS : Math.min(pace.napMs(), pauseMs * 2);
      }
    } finally {
      wake();
      if (!run.signal.aborted) run.sleeps?.(this.#life, false);
    }
  }

  /** To the next life; of a run that has had many, to the latest, unless they are followed one by one. */
  async #skipLives(): Promise<void> {
    const { agent, runId } = this.#run.request;
    if (goesOn(this.#base) && this.#isTold) {
      this.#toAwaited();
      return;
    }
    const known = goesOn(this.#base) ? await knownRun(this.#context, agent, runId) : undefined;
    this.#toNext();
    if (known === undefined || known.life <= this.#life) return;
    this.#life = known.life;
    this.#base = known.state;
    this.#before = undefined;
    this.#knowledge = known.isResting ? 'over' : 'begun';
  }

  /** To the next life, which the server has begun: it belongs to what is followed, also when it is over already. */
  #toAwaited(): void {
    this.#toNext();
    this.#knowledge = 'begun';
    this.#isAwaited = true;
  }

  #toNext(): void {
    this.#life += 1;
    this.#knowledge = 'unknown';
    this.#isTold = false;
  }

  /** The latest life from its beginning, or how it has left the run where it is forgotten. */
  async #tellAgain(): Promise<RunState<O>> {
    const { agent, runId } = this.#run.request;
    const result = await resultOf(this.#context, agent, keyOf(runId, this.#life));
    const state = this.#base;
    if (result !== 'unknown' && !this.#isBroken) {
      const following = { ...this.#following(), base: this.#before ?? state };
      return (await followLife(this.#context, following)) as RunState<O>;
    }
    if (!goesOn(state)) this.#run.tell({ event: restEvent(state), state });
    return state;
  }

  /** The state of a run that has completed, and is only told again. Otherwise another life begins. */
  #decide(): RunState<O> | undefined {
    const before = this.#base;
    if (this.#life === 0 || (this.#isBroken && before.seq === 0)) return undefined;
    const isChanged = this.#refuseOtherInput();
    if (before.status === 'COMPLETED' && !isChanged) {
      this.#run.tell({ event: replayedEnd(before, asyncScheduler.now()), state: before });
      return before;
    }
    const isHandedOn = before.status === 'COMPLETED' || (this.#isBroken && before.seq > 0);
    // Its output as it is used need not be JSON.
    this.#seed = isHandedOn ? StateCodec.encode({ ...before, output: undefined }) : undefined;
    return undefined;
  }

  /** Whether the run has begun with another input, where that is not refused. */
  #refuseOtherInput(): boolean {
    const { runId, onMismatch } = this.#run.request;
    const isChanged = this.#input !== undefined && !isDeepStrictEqual(this.#input, this.#base.input);
    if (isChanged && onMismatch === 'refuse') throw new InputMismatchError(runId);
    return isChanged;
  }

  #following(): Following<O> {
    const { request, signal, begins } = this.#run;
    const { agent, runId } = request;
    const key = keyOf(runId, this.#life);
    const isRefusing = this.#onMismatch() === 'refuse';
    const tell = (transition: Transition<O>): void => {
      this.#isTold = true;
      // For whoever follows the run nothing ends with that.
      if (goesOn(transition.event)) return;
      // Nor with that, perhaps.
      if (transition.event.type === 'run.cancelled' && begins) this.#cancelled = transition;
      else this.#run.tell(transition);
    };
    return { agent, runId, key, base: this.#base, input: this.#input, tell, signal, isRefusing };
  }

  /**
   * Behind a life that broke off because the code was replaced, what another agent has done is done again: nobody is there to ask
   * whether the run shall go on.
   */
  #onMismatch(): StartRequest['onMismatch'] {
    return this.#isBroken ? 'actual' : this.#run.request.onMismatch;
  }

  #idle(): RunState<O> {
    const { agent, runId } = this.#run.request;
    return idleState(runId, agent.name, planOf(definitionOf(agent) as Definition));
  }
}

/** Whether a life has ended only because another one goes on, at once or when a step wakes. */
export function goesOn(end: RunState | RunEvent): boolean {
  const isSuspended = 'type' in end ? end.type === 'run.suspended' : end.status === 'SUSPENDED';
  return isSuspended && (end as Pick<RunState, 'reason'>).reason === 'drain';
}

/** How long a run sleeps between two lives, and how much of that is left now; nothing for one that goes on at once. */
function sleepOf(state: RunState, now: number): { readonly sleepMs: number; readonly leftMs: number } {
  const { dueAt, endedAt = 0 } = summaryOf(state);
  const sleepMs = dueAt === undefined ? 0 : Math.max(0, dueAt - endedAt);
  return { sleepMs, leftMs: dueAt === undefined ? 0 : Math.min(sleepMs, Math.max(0, dueAt - now)) };
}

/** How a life has left a run, when nobody has its events any more. */
function restEvent({ runId, seq, status, steps, error, startedAt, endedAt = startedAt }: RunState): RunEvent {
  const base = { runId, seq, at: asyncScheduler.now(), duration: (endedAt - startedAt) / 1000 };
  if (status === 'CANCELLED')
    return { type: 'run.cancelled', ...base, ...(error !== undefined && { error }) };
  if (status === 'FAILED' && error !== undefined) return { type: 'run.failed', ...base, error };
  const waiting = [...steps].flatMap((step) => (step.status === 'SUSPENDED' ? [step.stepId] : []));
  return { type: 'run.suspended', ...base, waiting };
}
