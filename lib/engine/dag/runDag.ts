import type { Dag, DagStep, Dependent } from '../../definition/dag';
import type { Answer, RunningStep, Scope, StepRequest } from '../../definition/scope';
import type { Reading } from '../../definition/source';
import type { GivenBy } from '../../model/givenBy';
import type { Stop } from '../../streams/pull';
import { dagFeeds } from './liveReaders';
import { containmentOf } from './containment';
import type { Effect } from './quorums';
import { quorums } from './quorums';

/**
 * Runs a workflow: counts for each step what it still waits for and asks for the step when that is nothing.
 *
 * Costs one decrement an edge; nothing is looked at that an answer does not touch.
 */
export function beginDag(dag: Dag, input: unknown, scope: Scope): Stop {
  const { steps, dependents, liveDependents, isContained } = dag;
  const unmet = dag.unmet.slice();
  const answers: (Answer | undefined)[] = steps.map(() => undefined);
  const running: (RunningStep | undefined)[] = steps.map(() => undefined);
  const groups = quorums((index) => scope.recorded((steps[index] as DagStep).id)?.seq);
  const metLive = new Set<Dependent>();
  const feeds = dagFeeds(() => {
    scope.readerWaits();
  });
  const containment = containmentOf(dag, (id) => scope.recorded(id)?.status === 'FAILED');
  /** Steps that cannot run because of a contained failure. */
  const impossible: DagStep[] = [];
  let remaining = steps.length;
  let isOver = false;

  const reading: Reading = {
    input,
    answers,
    chosen: (group) => groups.chosen(group),
    live: (from) => feeds.open(from),
  };

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
    for (const dependent of liveDependents[index] ?? []) {
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

  const watchOf = (index: number): StepRequest['watch'] => ({
    started() {
      started(index);
    },
    partial: (partial) => feeds.push(index, partial),
  });

  const launch = (index: number): void => {
    const { id, agent, source, policy } = steps[index] as DagStep;
    let value: unknown;
    let problem: StepRequest['problem'];
    try {
      value = feeds.reading(index, () => source.read(reading));
    } catch (error) {
      problem = { error };
    }
    const request: StepRequest = {
      id,
      agent,
      input: value,
      policy,
      problem,
      watch: policy.keepPartials === true ? watchOf(index) : undefined,
      isReader: source.live.length > 0,
      isAnew: source.live.some((step) => feeds.hasBegun(step)),
      contain: isContained[index] === true ? () => containment.failed(index) : undefined,
    };
    running[index] = scope.step(request, (answer) => {
      running[index] = undefined;
      feeds.leave(index);
      settle(index, answer);
    });
  };

  /** Takes an answer, and with it those of all steps that can no longer run because of it. */
  const settle = (first: number, firstAnswer: Answer): void => {
    const settled: [number, Answer][] = [[first, firstAnswer]];
    const startable: number[] = [];
    for (const [index, answer] of settled) {
      if (answers[index] !== undefined) continue;
      answers[index] = answer;
      remaining -= 1;
      if (steps[index]?.policy.keepPartials === true) feeds.end(index, answer);
      if (answer.kind === 'failed') {
        if (isContained[index] !== true) {
          fail(answer);
          return;
        }
        containment.note(index);
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
    let givenBy: GivenBy | undefined;
    try {
      output = dag.result.read(reading);
      givenBy = dag.result.givenBy(reading, output);
    } catch (error) {
      scope.fail(error);
      return;
    }
    // Not before: a retry of what failed above them would find them skipped.
    for (const { id, agent } of impossible) scope.skip(id, agent, 'upstream');
    scope.complete(output, givenBy);
  };

  /** What an answer changes for one that waits for it. */
  const met = (dependent: Dependent, from: number, answer: Answer | undefined): Effect => {
    const { to, mode, group, member } = dependent;
    if (mode === 'live') {
      if (metLive.has(dependent)) return 'waits';
      metLive.add(dependent);
    }
    if (mode === 'value' && answer?.kind === 'failed') return 'impossible';
    if (group !== undefined && member !== undefined && answer !== undefined) {
      const reached = groups.met(group, member, from, answer);
      if (reached !== 'ready') return reached;
    }
    const left = (unmet[to] ?? 0) - 1;
    unmet[to] = left;
    return left === 0 ? 'ready' : 'waits';
  };

  if (steps.length === 0) finishIfDone();
  for (const index of dag.roots) {
    if (isStopped()) break;
    launch(index);
  }
  return stop;
}
