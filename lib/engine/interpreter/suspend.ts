import type { WaitAnswer, WaitRequest } from '../../definition/scope';
import type { StepResult } from '../../model/stepResult';
import type { Stop } from '../../streams/pull';
import type { Engine } from '../engine';
import type { StepTask } from '../task';
import type { EventFactory } from './eventFactory';
import type { WorkQueue } from './workQueue';

/** What waiting for an answer needs of the run. */
export interface Waiting {
  readonly engine: Engine;
  readonly events: EventFactory;
  readonly queue: WorkQueue;
  /** The steps that wait right now. */
  readonly suspended: Set<StepTask>;
}

/**
 * Suspends a step until it is answered from outside or its deadline passes. Both the deadline and an answer that an earlier
 * life has taken are on record, so that waiting goes on, or ends, where it stood.
 *
 * An answer that cannot be taken is logged, and the step goes on waiting.
 */
export function waitFor(
  { engine, events, queue, suspended }: Waiting,
  task: StepTask,
  saved: StepResult | undefined,
  request: WaitRequest,
  answered: (answer: WaitAnswer) => void,
): void {
  const react = (answer: WaitAnswer): void => {
    queue.enqueue(() => {
      queue.setActive(task, false);
      if (task.phase === 'running') answered(answer);
    });
  };
  if (saved?.answer !== undefined) {
    queue.setActive(task, true);
    react(saved.answer);
    return;
  }

  const isNew = saved?.status !== 'SUSPENDED';
  const limit = request.timeoutMs === undefined ? undefined : momentIn(engine, request.timeoutMs);
  const deadline = isNew ? limit : saved.deadline;
  const stops: Stop[] = [];
  const stopAll = (): void => {
    for (const stop of stops.splice(0)) stop();
  };
  const settle = (answer: WaitAnswer, done?: () => void): void => {
    if (!suspended.delete(task)) return;
    stopAll();
    task.phase = 'running';
    queue.setActive(task, true);
    engine.record(events.answered(task.path, answer), () => {
      done?.();
      react(answer);
    });
  };

  if (isNew) engine.note(events.suspended(task, engine.keep(request.request, task.path), deadline));
  task.phase = 'suspended';
  suspended.add(task);
  task.stop = alsoStop(task, stopAll);
  stops.push(
    engine.signal(task.path, (value, done) => {
      if (!suspended.has(task)) return;
      const problem = request.problem(value);
      if (problem === undefined) {
        settle({ by: 'answer', value }, done);
        return;
      }
      done?.();
      engine.tell(
        events.logged(task.path, 'WARNING', `Cannot take the answer: ${problem}; the step goes on waiting`),
      );
    }),
  );
  if (deadline !== undefined && suspended.has(task)) {
    const expire = (): void => {
      settle({ by: 'deadline' });
    };
    // A wait that begins now asks the clock once: it may be set while others hear of the wait.
    const leftMs = isNew ? (request.timeoutMs ?? 0) : deadline - engine.now();
    if (leftMs <= 0) expire();
    else stops.push(engine.sleep(task.path, leftMs, expire));
  }
  if (!suspended.has(task)) stopAll();
}

/**
 * Lets a step sleep. It is SUSPENDED meanwhile, with the moment at which it wakes on record; other than one that waits for an
 * answer it brings the run on by itself.
 */
export function sleepFor(
  { engine, events, queue }: Omit<Waiting, 'suspended'>,
  task: StepTask,
  saved: StepResult | undefined,
  delayMs: number,
  wake: () => void,
): void {
  const reply = queue.ask(task, wake);
  if (saved?.answer !== undefined) {
    reply();
    return;
  }
  const known = saved?.status === 'SUSPENDED' ? saved.deadline : undefined;
  const deadline = known ?? momentIn(engine, delayMs);
  if (known === undefined) engine.note(events.suspended(task, undefined, deadline));
  task.phase = 'suspended';
  // The clock may be set while others hear of the sleep, or between two lives.
  const leftMs = known === undefined ? delayMs : Math.min(delayMs, Math.max(0, known - engine.now()));
  const stop = engine.sleep(task.path, leftMs, () => {
    if (task.phase !== 'suspended') return;
    task.phase = 'running';
    engine.note(events.answered(task.path, { by: 'deadline' }));
    reply();
  });
  task.stop = alsoStop(task, stop);
}

// A later moment, or Infinity, could not be read back from a store.
const LAST_MOMENT_OF_DATE = 8.64e15;

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
