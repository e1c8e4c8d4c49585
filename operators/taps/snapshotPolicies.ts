import type { RunEvent } from '../../lib/model/event';
import { isEnd } from '../../lib/model/event';
import type { SnapshotPolicy } from '../../lib/model/snapshot';
import { InvalidArgumentError } from '../../lib/model/failure';

/** Saves the state after each completed step, as `step_<id>_complete`. */
export function everyStep(): SnapshotPolicy {
  return ({ event }) => (event.type === 'step.completed' ? `step_${event.path}_complete` : undefined);
}

/**
 * Saves the state after each `n`th completed step of a run, as `checkpoint_<count>`. The count is that of the steps that have
 * completed in the state, so the names are the same when a run was resumed.
 *
 * @throws InvalidArgumentError when `n` is no positive whole number.
 */
export function everyNth(n: number): SnapshotPolicy {
  if (!Number.isInteger(n) || n < 1)
    throw new InvalidArgumentError(`Cannot save every ${n} steps`, 'give a whole number from 1');
  const counts = new Map<string, number>();
  return askedOnce((transition) => {
    const { event } = transition;
    const { runId } = event;
    if (isEnd(event)) counts.delete(runId);
    if (event.type === 'run.resumed') counts.set(runId, completedIn(transition.state.steps));
    if (event.type !== 'step.completed') return undefined;
    const count = (counts.get(runId) ?? 0) + 1;
    counts.set(runId, count);
    return count % n === 0 ? `checkpoint_${count}` : undefined;
  });
}

/** Several taps of a pipe may share a policy: one that counts answers each of them the same. */
function askedOnce(policy: SnapshotPolicy): SnapshotPolicy {
  const answers = new WeakMap<RunEvent, ReturnType<SnapshotPolicy>>();
  return (transition) => {
    const { event } = transition;
    if (!answers.has(event)) answers.set(event, policy(transition));
    return answers.get(event);
  };
}

function completedIn(steps: Iterable<{ readonly status: string }>): number {
  let count = 0;
  for (const { status } of steps) if (status === 'COMPLETED') count += 1;
  return count;
}

/**
 * Saves the state after each completed step whose policy says `critical`, as `critical_<id>`; after a run of an agent whose policy
 * says so, as `critical_<name>`.
 */
export function critical(): SnapshotPolicy {
  const running = new Map<string, Set<string>>();
  return askedOnce((transition) => {
    const { event } = transition;
    const { runId } = event;
    if (isEnd(event)) running.delete(runId);
    if (event.type === 'run.completed' && event.critical === true) return `critical_${transition.state.name}`;
    if (event.type === 'step.started' && event.critical === true) {
      const paths = running.get(runId) ?? new Set();
      running.set(runId, paths.add(event.path));
    }
    if (event.type !== 'step.completed' || running.get(runId)?.delete(event.path) !== true) return undefined;
    return `critical_${event.path}`;
  });
}

/** Saves the state when a run has failed, as `failed_<id>` after the step that failed first, or `failed_run`. */
export function onFailure(): SnapshotPolicy {
  return ({ event }) => (event.type === 'run.failed' ? `failed_${event.error.path ?? 'run'}` : undefined);
}

/** Saves whatever any of these policies saves: one snapshot for each name that they give. */
export function anyOf(...policies: readonly SnapshotPolicy[]): SnapshotPolicy {
  return (transition) => [...new Set(policies.flatMap((policy) => policy(transition) ?? []))];
}
