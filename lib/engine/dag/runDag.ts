import type { Dag, DagStep, Dependent } from '../../definition/dag';
import type { Answer, RunningStep, Scope, StepRequest } from '../../definition/scope';
import type { Reading } from '../../definition/source';
import type { GivenBy } from '../../model/givenBy';
import type { Stop } from '../../streams/pull';
import type { DagContainment } from './containment';
import { containmentOf } from './containment';
import type { DagFeeds } from './liveReaders';
import { dagFeeds } from './liveReaders';
import type { Effect, Quorums } from './quorums';
import { quorums } from './quorums';

/**
 * Runs a workflow: counts what each step still waits for, and starts the step when the count is zero.
 *
 * An answer costs one decrement for each edge that leaves its step; nothing else is looked at.
 */
export function beginDag(dag: Dag, input: unknown, scope: Scope): Stop {
  const run = new DagRun(dag, input, scope);
  run.begin();
  return () => {
    run.stop();
  };
}

type Failed = Answer & { readonly kind: 'failed' };

/** One workflow under way; its steps are named by their index. The index after the last step means the result. */
class DagRun {
  readonly #dag: Dag;
  readonly #scope: Scope;
  /** How many answers each step still waits for. */
  readonly #unmet: number[];
  readonly #answers: (Answer | undefined)[];
  readonly #running: (RunningStep | undefined)[];
  readonly #metLive = new Set<Dependent>();
  readonly #groups: Quorums;
  readonly #feeds: DagFeeds;
  readonly #containment: DagContainment;
  readonly #reading: Reading;
  /** Steps that cannot run because of a contained failure. */
  readonly #impossible: DagStep[] = [];
  #remaining: number;
  #isOver = false;

  constructor(dag: Dag, input: unknown, scope: Scope) {
    const { steps } = dag;
    this.#dag = dag;
    this.#scope = scope;
    this.#unmet = dag.unmet.slice();
    this.#answers = steps.map(() => undefined);
    this.#running = steps.map(() => undefined);
    this.#remaining = steps.length;
    this.#groups = quorums((index) => scope.recorded((steps[index] as DagStep).id)?.seq);
    this.#feeds = dagFeeds(() => {
      scope.readerWaits();
    });
    this.#containment = containmentOf(dag, (id) => scope.recorded(id)?.status === 'FAILED');
    this.#reading = {
      input,
      answers: this.#answers,
      chosen: (group) => this.#groups.chosen(group),
      live: (from) => this.#feeds.open(from),
    };
  }

  begin(): void {
    if (this.#remaining === 0) this.#finishIfDone();
    for (const index of this.#dag.roots) {
      if (this.#isOver) break;
      this.#launch(index);
    }
  }

  stop(): void {
    this.#isOver = true;
    for (const step of this.#running) step?.cancel();
    this.#feeds.leaveAll();
  }

  #fail(answer: Failed): void {
    this.stop();
    this.#scope.fail(answer.cause, answer.failure);
  }

  #launch(index: number): void {
    const { id, agent, source, policy } = this.#dag.steps[index] as DagStep;
    let value: unknown;
    let problem: StepRequest['problem'];
    try {
      value = this.#feeds.reading(index, () => source.read(this.#reading));
    } catch (error) {
      problem = { error };
    }
    const request: StepRequest = {
      id,
      agent,
      input: value,
      policy,
      problem,
      watch: policy.keepPartials === true ? this.#watchOf(index) : undefined,
      isReader: source.live.length > 0,
      isAnew: source.live.some((step) => this.#feeds.hasBegun(step)),
      contain: this.#isContained(index) ? () => this.#containment.failed(index) : undefined,
    };
    this.#running[index] = this.#scope.step(request, (answer) => {
      this.#running[index] = undefined;
      this.#feeds.leave(index);
      this.#settle(index, answer);
    });
  }

  #isContained(index: number): boolean {
    return this.#dag.isContained[index] === true;
  }

  #watchOf(index: number): StepRequest['watch'] {
    return {
      started: () => {
        this.#started(index);
      },
      partial: (partial) => this.#feeds.push(index, partial),
    };
  }

  /** The step is called, for the first time or again: starts those that read it live, or restarts them. */
  #started(index: number): void {
    this.#feeds.begin(index);
    const startable: number[] = [];
    for (const dependent of this.#dag.liveDependents[index] ?? []) {
      const reader = this.#running[dependent.to];
      if (reader !== undefined) {
        reader.cancel();
        this.#feeds.leave(dependent.to);
        startable.push(dependent.to);
      } else if (this.#meet(dependent, index, undefined) === 'ready') startable.push(dependent.to);
    }
    for (const to of startable) if (!this.#isOver && !this.#isResult(to)) this.#launch(to);
  }

  #isResult(index: number): boolean {
    return index === this.#dag.steps.length;
  }

  /** Takes an answer. Steps that can no longer run because of it get the same answer. */
  #settle(first: number, firstAnswer: Answer): void {
    const settled: [number, Answer][] = [[first, firstAnswer]];
    const startable: number[] = [];
    for (const [index, answer] of settled) {
      if (this.#answers[index] !== undefined) continue;
      this.#note(index, answer);
      if (answer.kind === 'failed' && !this.#isContained(index)) {
        this.#fail(answer);
        return;
      }
      for (const dependent of this.#dag.dependents[index] ?? []) {
        const { to } = dependent;
        const effect = this.#meet(dependent, index, answer);
        if (effect === 'impossible' && this.#answers[to] === undefined) {
          if (this.#isResult(to)) {
            this.#fail(answer as Failed);
            return;
          }
          this.#impossible.push(this.#dag.steps[to] as DagStep);
          settled.push([to, answer]);
        } else if (effect === 'ready' && !this.#isResult(to)) startable.push(to);
      }
    }
    for (const index of startable) {
      if (this.#isOver) return;
      if (this.#answers[index] === undefined) this.#launch(index);
    }
    this.#finishIfDone();
  }

  #note(index: number, answer: Answer): void {
    this.#answers[index] = answer;
    this.#remaining -= 1;
    if (this.#dag.steps[index]?.policy.keepPartials === true) this.#feeds.end(index, answer);
    if (answer.kind === 'failed' && this.#isContained(index)) this.#containment.note(index);
  }

  /** Counts an answer for one dependent. Without an answer, the step has started. */
  #meet(dependent: Dependent, from: number, answer: Answer | undefined): Effect {
    const { to, mode, group, member } = dependent;
    if (mode === 'live') {
      if (this.#metLive.has(dependent)) return 'waits';
      this.#metLive.add(dependent);
    }
    if (mode === 'value' && answer?.kind === 'failed') return 'impossible';
    if (group !== undefined && member !== undefined && answer !== undefined) {
      const reached = this.#groups.met(group, member, from, answer);
      if (reached !== 'ready') return reached;
    }
    const left = (this.#unmet[to] ?? 0) - 1;
    this.#unmet[to] = left;
    return left === 0 ? 'ready' : 'waits';
  }

  #finishIfDone(): void {
    if (this.#remaining > 0 || this.#isOver) return;
    this.#isOver = true;
    let output: unknown;
    let givenBy: GivenBy | undefined;
    try {
      output = this.#dag.result.read(this.#reading);
      givenBy = this.#dag.result.givenBy(this.#reading, output);
    } catch (error) {
      this.#scope.fail(error);
      return;
    }
    // Not before: a retry of the failed step would find them skipped.
    for (const { id, agent } of this.#impossible) this.#scope.skip(id, agent, 'upstream');
    this.#scope.complete(output, givenBy);
  }
}
