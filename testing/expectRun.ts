import { TestScheduler } from 'rxjs/testing';

import type { MaybeWhere, RunOptions, RunSettings } from '../lib/engine/runOptions';
import type { Agent } from '../lib/model/agentType';
import type { Transition } from '../lib/model/event';
import type { RunState } from '../lib/model/state';
import type { RunArguments } from '../operators/runs/run';
import { run } from '../operators/runs/run';
import { lanesOf, marblesOf, pointsOf } from './lanes';
import { nearest, there } from './testingErrors';
import { withScheduler } from './virtual';
import { InvalidArgumentError, MillraceError } from '../lib/model/failure';

/** A run in virtual time, to be compared with a diagram. */
export interface ExpectedRun<O> {
  /**
   * Compares when steps began and ended with one marble diagram a path; a frame is a millisecond.
   *
   * `s` started, `|` completed, `#` failed for good, `r` failed and tries again, `k` skipped, `x` cancelled, `w` waits for
   * an answer, `a` answered. An empty diagram says that nothing happened to the step; steps that are left out are not
   * compared. A group takes as many frames as it has characters: what happens within them is drawn behind it. Returns how the run
   * stood in the end.
   *
   * @throws LaneMismatchError which shows both diagrams.
   */
  toBe(lanes: Readonly<Record<string, string>>): RunState<O>;
}

/**
 * Runs an agent, a chain or a workflow in virtual time, from its start to its end, or until nothing is left to happen.
 *
 * Give it agents that virtual time can reach: synchronous ones, Observables, and `fakeAgent` for those whose function is
 * async.
 *
 * @example
 * ```ts
 * expectRun(report, 'book.txt').toBe({
 *   load: '  s--|',
 *   stats: ' ---s-|',
 *   topics: '---s----r--s-|',
 * });
 * ```
 */
export function expectRun<I, O>(
  agent: Agent<I, O>,
  ...[input, options]: RunArguments<I, Omit<RunSettings, 'scheduler'> & MaybeWhere>
): ExpectedRun<O> {
  const transitions: Transition<O>[] = [];
  const scheduler = new TestScheduler(() => undefined);
  scheduler.run(({ flush }) => {
    withScheduler(scheduler, () => {
      const given = [input, { ...options, scheduler }] as unknown as RunArguments<I, RunOptions>;
      const subscription = run(agent, ...given).subscribe({
        next: (transition) => transitions.push(transition),
        // How it failed stands in its state.
        error: () => undefined,
      });
      flush();
      subscription.unsubscribe();
    });
  });
  return {
    toBe(lanes) {
      const drawn = lanesOf(transitions.map(({ event }) => event));
      const wrong = Object.entries(lanes).flatMap(([path, expected]) => {
        const actual = marblesOf(drawn.get(path) ?? []);
        // As they are drawn: what falls into a group has no other diagram than that of what comes behind it.
        return marblesOf(pointsOf(expected)) === actual ? [] : [{ path, expected: expected.trim(), actual }];
      });
      const last = transitions.at(-1);
      if (wrong.length > 0)
        throw new LaneMismatchError(
          agent.name,
          wrong.map((lane) => explained(lane, last?.state)),
        );
      if (last === undefined)
        throw new InvalidArgumentError(
          `Cannot run "${agent.name}" in virtual time: its store is not synchronous`,
          'give a memoryStore(), or none',
        );
      return last.state;
    },
  };
}

/** A step did not begin and end when it should have. */
export class LaneMismatchError extends MillraceError {
  override readonly name = 'LaneMismatchError';
  readonly code = 'LANE_MISMATCH';
  /** The lanes that differ. */
  readonly lanes: readonly WrongLane[];

  constructor(agentName: string, lanes: readonly WrongLane[]) {
    const text = lanes.map(
      ({ path, expected, actual, why = '' }) =>
        `  ${path}\n    expected: ${shown(expected)}\n    actual:   ${shown(actual)}${why && `, ${why}`}`,
    );
    super(`Run of "${agentName}" went another way:\n${text.join('\n')}`, 'mend the agent, or the diagram', {
      tellsNext: false,
    });
    this.lanes = lanes;
  }
}

/** A lane that differs. */
export interface WrongLane {
  /** Path of the step. */
  readonly path: string;
  /** The diagram that was given. */
  readonly expected: string;
  /** The diagram as the run drew it. */
  readonly actual: string;
  /** Where it is known, what is wrong: a path that no step has, a function that virtual time does not reach. */
  readonly why?: string;
}

function explained(lane: WrongLane, state: RunState | undefined): WrongLane {
  const { path } = lane;
  const steps = [...(state?.steps ?? [])];
  const step = steps.find(({ stepId }) => stepId === path);
  if (step === undefined)
    return {
      ...lane,
      why: `no step has this path; ${there(
        nearest(
          path,
          steps.map(({ stepId }) => stepId),
        ),
      )}`,
    };
  const holdsOthers = steps.some(
    ({ stepId }) => stepId.startsWith(`${path}/`) || stepId.startsWith(`${path}[`),
  );
  if (step.status !== 'RUNNING' || holdsOthers) return lane;
  return {
    ...lane,
    why: 'virtual time does not reach what it waits for; let a fakeAgent() stand in for an async function',
  };
}

function shown(marbles: string): string {
  return marbles === '' ? 'nothing' : marbles;
}
