import type { Dag, DagStep, Dependent } from '../../lib/graph/dag';
import type { Answer, Stop } from '../../lib/graph/answer';
import type { Group, Reading } from '../../lib/graph/source';
import type { RunningStep, Scope } from '../../lib/graph/scope';
import { dagFeeds } from './dagFeeds';

/**
 * Runs a workflow: counts for each step what it still waits for and asks for the step when that is nothing.
 *
 * Costs one decrement an edge; nothing is looked at that an answer does not touch.
 */
export function beginDag(dag: Dag, input: unknown, scope: Scope): Stop {
  const { steps, dependents, isContained } = dag;
  const unmet = dag.unmet.slice();
  const answers: (Answer | undefined)[] = steps.map(() => undefined);
  const running: (RunningStep | undefined)[] = steps.map(() => undefined);
  const groups = new Map<Group, GroupProgress>();
  const metLive = new Set<Dependent>();
  const feeds = dagFeeds();
  /** Steps that cannot run because of a contained failure. */
  const impossible: DagStep[] = [];
  let remaining = steps.length;
  let isOver = false;

  const reading: Reading = {
    input,
    answers,
    chosen: (group) => groups.get(group)?.chosen ?? [],
    live: (from) => feeds.open(from),
  };

  const liveDependents = (index: number): readonly Dependent[] =>
    dependents[index]?.filter(({ mode }) => mode === 'live') ?? [];

  const isStopped = (): boolean => isOver;
  const stop = (): void => {
    isOver = true;
    for (const step of running) step?.cancel();
    feeds.leaveAll();
  };

  /** The step is called, for the first time or again: those who read it live begin, or begin anew. */
  const started = (index: number): void => {
    feeds.begin(index);
    const startable: number[] = [];
    for (const dependent of liveDependents(index)) {
      const reader = running[dependent.to];
      if (reader !== undefined) {
        reader.cancel();
        feeds.leave(dependent.to);
        startable.push(dependent.to);
      } else if (met(dependent, index, undefined) === 'ready') startable.push(dependent.to);
    }
    for (const to of startable) if (!isOver && to < steps.length) launch(to);
  };

  const fail = (answer: Answer & { readonly kind: 'failed' }): void => {
    stop();
    scope.fail(answer.cause, answer.failure);
  };

  const launch = (index: number): void => {
    const { id, agent, source, policy } = steps[index] as DagStep;
    let value: unknown;
    let problem: { readonly error: unknown } | undefined;
    try {
      value = feeds.reading(index, () => source.read(reading));
    } catch (error) {
      problem = { error };
    }
    running[index] = scope.step(
      {
        id,
        agent,
        input: value,
        policy,
        ...(problem && { problem }),
        ...(policy.keepPartials === true && {
          watch: {
            started() {
              started(index);
            },
            partial: (partial) => feeds.push(index, partial),
          },
        }),
        ...(source.edges.some(({ from, mode }) => mode === 'live' && feeds.hasBegun(from)) && {
          isAnew: true,
        }),
      },
      (answer) => {
        running[index] = undefined;
        feeds.leave(index);
        settle(index, answer);
      },
    );
  };

  /** Takes an answer, and with it those of all steps that can no longer run because of it. */
  const settle = (first: number, firstAnswer: Answer): void => {
    const settled: [number, Answer][] = [[first, firstAnswer]];
    const startable: number[] = [];
    for (const [index, answer] of settled) {
      if (answers[index] !== undefined) continue;
      answers[index] = answer;
      remaining -= 1;
      if (liveDependents(index).length > 0) feeds.end(index, answer);
      if (answer.kind === 'failed' && isContained[index] !== true) {
        fail(answer);
        return;
      }
      for (const dependent of dependents[index] ?? []) {
        const effect = met(dependent, index, answer);
        if (effect === 'impossible' && answers[dependent.to] === undefined) {
          if (dependent.to === steps.length) {
            fail(answer as Answer & { readonly kind: 'failed' });
            return;
          }
          impossible.push(steps[dependent.to] as DagStep);
          settled.push([dependent.to, answer]);
        } else if (effect === 'ready' && dependent.to < steps.length) startable.push(dependent.to);
      }
    }
    for (const index of startable) {
      if (isOver) return;
      if (answers[index] === undefined) launch(index);
    }
    finishIfDone();
  };

  const finishIfDone = (): void => {
    if (remaining > 0 || isOver) return;
    isOver = true;
    let output: unknown;
    try {
      output = dag.result.read(reading);
    } catch (error) {
      scope.fail(error);
      return;
    }
    // Not before: a retry of what failed above them would find them skipped.
    for (const { id, agent } of impossible) scope.skip(id, agent, 'upstream');
    scope.complete(output);
  };

  /** What an answer changes for one that waits for it. */
  const met = (
    dependent: Dependent,
    from: number,
    answer: Answer | undefined,
  ): 'ready' | 'waits' | 'impossible' => {
    const { to, mode, group, member } = dependent;
    if (mode === 'live') {
      if (metLive.has(dependent)) return 'waits';
      metLive.add(dependent);
    }
    if (mode === 'value' && answer?.kind === 'failed') return 'impossible';
    if (group !== undefined && member !== undefined && answer !== undefined) {
      const progress = groups.get(group) ?? progressOf(group, formerly(group));
      groups.set(group, progress);
      const reached = advance(progress, group, member, from, answer);
      if (reached !== 'ready') return reached;
    }
    const left = (unmet[to] ?? 0) - 1;
    unmet[to] = left;
    return left === 0 ? 'ready' : 'waits';
  };

  /** The members that made the quorum in an earlier life: those whose steps had completed first. */
  const formerly = ({ count, members }: Group): readonly number[] | undefined => {
    const done = members.flatMap((needed, member) => {
      const seqs = needed.map((index) => scope.recorded((steps[index] as DagStep).id)?.seq ?? Infinity);
      const seq = Math.max(...seqs);
      return seq === Infinity ? [] : [{ member, seq }];
    });
    if (done.length < count) return undefined;
    return done
      .sort((a, b) => a.seq - b.seq)
      .slice(0, count)
      .map(({ member }) => member);
  };

  if (steps.length === 0) finishIfDone();
  const initially = unmet.flatMap((count, index) => (count === 0 && index < steps.length ? [index] : []));
  for (const index of initially) {
    if (isStopped()) break;
    launch(index);
  }
  return stop;
}

/** How far a quorum has come. */
interface GroupProgress {
  /** Steps that each member still waits for. */
  readonly pending: Set<number>[];
  readonly done: number[];
  readonly failed: Set<number>;
  /** The members that make the quorum, in the order of the sources, once there are enough. */
  chosen: readonly number[] | undefined;
  /** Those that made it in an earlier life. */
  readonly former: readonly number[] | undefined;
}

function progressOf(group: Group, former: readonly number[] | undefined): GroupProgress {
  return {
    pending: group.members.map((steps) => new Set(steps)),
    done: [],
    failed: new Set(),
    chosen: undefined,
    former,
  };
}

function advance(
  progress: GroupProgress,
  group: Group,
  member: number,
  from: number,
  answer: Answer,
): 'ready' | 'waits' | 'impossible' {
  if (progress.chosen !== undefined) return 'waits';
  if (answer.kind === 'failed') {
    progress.failed.add(member);
    return group.members.length - progress.failed.size < group.count ? 'impossible' : 'waits';
  }
  const pending = progress.pending[member];
  pending?.delete(from);
  if (pending?.size !== 0) return 'waits';
  if (progress.former?.includes(member) === false) return 'waits';
  progress.done.push(member);
  if (progress.done.length < group.count) return 'waits';
  progress.chosen = [...progress.done].sort((a, b) => a - b);
  return 'ready';
}
