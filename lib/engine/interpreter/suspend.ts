import { isDeepStrictEqual } from 'node:util';

import type { WaitAnswer, WaitRequest } from '../../definition/scope';
import { toFailure } from '../../model/failure';
import type { StepResult } from '../../model/stepResult';
import type { Stop } from '../../streams/pull';
import type { Engine } from '../engine';
import type { StepTask } from '../task';
import { isRunning } from '../task';
import type { EventFactory } from './eventFactory';
import type { Permits } from './permits';
import type { WorkQueue } from './workQueue';

/** What waiting for an answer needs of the run. */
export interface Waiting {
  readonly engine: Engine;
  readonly events: EventFactory;
  readonly queue: WorkQueue;
  readonly permits: Permits;
  /** The steps that wait right now. */
  readonly suspended: Set<StepTask>;
}

/**
 * Suspends a step until it is answered from outside or its deadline passes. The question, its deadline and an answer that an
 * earlier life has taken are on record, so that waiting goes on, or ends, where it stood. What was asked with another request
 * is another question: its answer is none to this one.
 *
 * An answer that cannot be taken, or was given after the deadline, is logged, and the step goes on waiting.
 */
export function waitForAnswer(
  waiting: Waiting,
  task: StepTask,
  saved: StepResult | undefined,
  request: WaitRequest,
  answered: (answer: WaitAnswer) => void,
): void {
  const { engine, events, queue, permits } = waiting;
  const react = (answer: WaitAnswer): void => {
    queue.enqueue(() => {
      permits.resumeBelow(task, () => {
        queue.setActive(task, false);
        if (task.phase === 'running') answered(answer);
      });
    });
  };
  const asked = engine.keep(request.request, task.path);
  // A fork below a question that had ended knows what it came to, and not what was asked.
  const isForked = saved?.answer !== undefined && saved.request === undefined;
  const known = isForked || isDeepStrictEqual(saved?.request, asked) ? saved : undefined;
  if (known?.answer !== undefined) {
    queue.setActive(task, true);
    react(known.answer);
    return;
  }

  const { timeoutMs } = request;
  const before = known?.status === 'SUSPENDED' ? known : undefined;
  let deadline = before?.deadline;
  if (before === undefined) {
    deadline = timeoutMs === undefined ? undefined : momentIn(engine, timeoutMs);
    engine.note(events.asked(task, asked, deadline, request.signal?.name));
    // Whoever heard the question may have stopped the run.
    if (!isRunning(task)) return;
  }
  // A wait that begins now asks the clock once: it may be set while others hear of the wait.
  const leftMs = before === undefined ? timeoutMs : leftUntil(engine, before);
  listen(waiting, task, request, { deadline, leftMs, react });
}

/** How long a question stays open, and who hears its answer. */
interface OpenWait {
  readonly deadline: number | undefined;
  readonly leftMs: number | undefined;
  readonly react: (answer: WaitAnswer) => void;
}

function listen(
  { engine, events, queue, suspended }: Waiting,
  task: StepTask,
  { problem, signal }: WaitRequest,
  { deadline, leftMs, react }: OpenWait,
): void {
  const stops: Stop[] = [];
  const stopAll = (): void => {
    for (const stop of stops.splice(0)) stop();
  };
  const settle = (answer: WaitAnswer, done?: () => void, signalId?: string): void => {
    if (!suspended.delete(task)) return;
    stopAll();
    task.phase = 'running';
    queue.setActive(task, true);
    engine.record(events.answered(task.path, answer, signalId), () => {
      done?.();
      react(answer);
    });
  };
  const refusal = (value: unknown, at: number | undefined): string | undefined => {
    // Clocks differ: nobody has answered later than now.
    const isLate = deadline !== undefined && Math.min(at ?? Infinity, engine.now()) > deadline;
    return isLate ? 'it was given after the deadline' : problem(value);
  };

  task.phase = 'suspended';
  suspended.add(task);
  task.stop = alsoStop(task, stopAll);
  stops.push(
    engine.signal(task.path, (value, done, given) => {
      if (!suspended.has(task)) return;
      const why = refusal(value, given?.at);
      if (why === undefined) {
        settle({ by: 'answer', value }, done, given?.signalId);
        return;
      }
      done?.();
      const message = `Cannot take the answer: ${why}; the step goes on waiting`;
      engine.tell(events.logged(task.path, 'WARNING', message));
    }),
  );
  if (signal !== undefined && engine.hearSignals !== undefined && suspended.has(task)) {
    const takes = (value: unknown): boolean => {
      try {
        const isTaken = suspended.has(task) && signal.takes(value);
        // The run does not rest while the answer is on its way.
        if (isTaken) queue.setActive(task, true);
        return isTaken;
      } catch (error) {
        const message = `Cannot match a signal "${signal.name}": ${toFailure(error).message}; it is left for others`;
        engine.tell(events.logged(task.path, 'WARNING', message));
        return false;
      }
    };
    const lost = (): void => {
      queue.enqueue(() => {
        if (suspended.has(task)) queue.setActive(task, false);
      });
    };
    stops.push(engine.hearSignals(task.path, signal.name, takes, lost));
  }
  if (leftMs !== undefined && suspended.has(task)) {
    const expire = (): void => {
      settle({ by: 'deadline' });
    };
    if (leftMs <= 0) expire();
    else stops.push(engine.sleep(task.path, leftMs, expire));
  }
  if (!suspended.has(task)) stopAll();
}

/**
 * Lets a step sleep. It is SUSPENDED meanwhile, with the moment at which it wakes on record; other than one that waits for an
 * answer it brings the run on by itself.
 *
 * @param decide - Gives the length to `begin`, in milliseconds: asked only where no moment is on record.
 */
export function sleepFor(
  { engine, events, queue }: Pick<Waiting, 'engine' | 'events' | 'queue'>,
  task: StepTask,
  saved: StepResult | undefined,
  decide: (begin: (delayMs: number) => void) => void,
  wake: () => void,
): void {
  const fallAsleep = (leftMs: number): void => {
    const reply = queue.ask(task, wake);
    task.phase = 'suspended';
    const stop = engine.sleep(task.path, leftMs, () => {
      if (task.phase !== 'suspended') return;
      task.phase = 'running';
      engine.note(events.answered(task.path, { by: 'deadline' }));
      reply();
    });
    task.stop = alsoStop(task, stop);
  };
  if (saved?.answer !== undefined) queue.ask(task, wake)();
  else if (saved?.status === 'SUSPENDED' && saved.deadline !== undefined)
    fallAsleep(leftUntil(engine, saved) ?? 0);
  else {
    decide((delayMs) => {
      engine.note(events.asleep(task, momentIn(engine, delayMs)));
      // The clock may be set while others hear of the sleep.
      if (isRunning(task)) fallAsleep(delayMs);
    });
  }
}

/**
 * How long it still is to the deadline of a wait: never longer than was asked for, also when the clock has been set back since.
 * Undefined without a deadline.
 */
function leftUntil(engine: Pick<Engine, 'now'>, { deadline, timestamp }: StepResult): number | undefined {
  if (deadline === undefined) return undefined;
  const lengthMs = timestamp === null ? Infinity : deadline - Date.parse(timestamp);
  return Math.max(0, Math.min(lengthMs, deadline - engine.now()));
}
// A later moment, or Infinity, could not be read back from a store.
export const LAST_MOMENT_OF_DATE = 8.64e15;

function momentIn(engine: Pick<Engine, 'now'>, ms: number): number {
  return Math.min(LAST_MOMENT_OF_DATE, engine.now() + ms);
}

/** A step may have something to stop already, such as its time limit. */
function alsoStop({ stop: first }: StepTask, second: Stop): Stop {
  return () => {
    first?.();
    second();
  };
}
