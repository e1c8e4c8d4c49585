import type { Dag, DagStep, Dependent } from '../../definition/dag';
import { definitionOf } from '../../definition/definition';
import type { Answer, RunningStep, Scope, StepRequest } from '../../definition/scope';
import { isBail } from '../../definition/scope';
import type { Group, Reading } from '../../definition/source';
import { QuorumError } from '../../errors/stepErrors';
import { BAILED, hasBailed } from '../../model/bail';
import type { GivenBy } from '../../model/givenBy';
import { givenById } from '../../model/givenBy';
import type { Stop } from '../../streams/pull';
import { hasSaga } from '../interpreter/cancellation';
import { pathBelow } from '../task';
import type { DagContainment } from './containment';
import { containmentOf, readersOf } from './containment';
import type { DagFeeds } from './liveReaders';
import { dagFeeds } from './liveReaders';
import type { Effect } from './quorums';
import { Quorums } from './quorums';

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
  /** Steps that nobody needs any more, because a quorum is made without them. */
  readonly #withdrawn = new Set<number>();
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
    this.#groups = new Quorums((index) => scope.recorded((steps[index] as DagStep).id));
    const waits = (): void => {
      scope.readerWaits();
    };
    this.#feeds = dagFeeds(waits, (index) => steps[index]?.policy.keepPartials === true);
    this.#containment = containmentOf(dag, (id) => scope.recorded(id)?.status === 'FAILED');
    this.#reading = {
      input,
      answers: this.#answers,
      chosen: (group) => this.#groups.chosen(group),
      live: (from) => this.#feeds.open(from),
    };
  }

  begin(): void {
    const early = this.#dag.steps.findIndex(({ id }) => hasBailed(this.#scope.recorded(id)?.givenBy));
    if (early !== -1) {
      this.#endEarly(early, this.#scope.recorded((this.#dag.steps[early] as DagStep).id)?.output);
      return;
    }
    if (this.#dag.hasGroups) {
      const { steps, result } = this.#dag;
      // What made a quorum in an earlier life still makes it.
      const groups = [...steps.map(({ source }) => source), result].flatMap((source) => source.groups);
      this.#withdrawBeside(groups.filter((group) => this.#groups.isMade(group)));
    }
    if (this.#remaining === 0) this.#finishIfDone();
    for (const index of this.#dag.roots) {
      if (this.#isOver) break;
      if (this.#answers[index] === undefined) this.#launch(index);
    }
  }

  stop(): void {
    this.#isOver = true;
    for (const step of this.#running) step?.cancel();
    this.#feeds.leaveAll();
  }

  /** A step has given the output of the whole: nobody needs the others. */
  #endEarly(early: number, output: unknown): void {
    this.#isOver = true;
    for (const [index, { id, agent }] of this.#dag.steps.entries()) {
      if (index === early || this.#answers[index] !== undefined) continue;
      const running = this.#running[index];
      if (running !== undefined) {
        running.cancel('abandoned');
        continue;
      }
      const known = this.#scope.recorded(id);
      if (known?.status === 'FAILED') continue;
      this.#scope.skip(id, agent, 'abandoned');
      // The process died before all was undone that it had done.
      if (known !== undefined && hasSaga(definitionOf(agent)))
        this.#scope.step({ id, agent, input: undefined, isStopped: true }, () => undefined);
    }
    this.#feeds.leaveAll();
    this.#scope.complete(output, givenById((this.#dag.steps[early] as DagStep).id, BAILED));
  }

  #fail(answer: Failed): void {
    this.stop();
    this.#scope.fail(answer.cause, answer.failure);
  }

  /** @param missed - The quorum that it reads and that cannot be made. */
  #launch(index: number, missed?: Group): void {
    const { id, agent, source, policy } = this.#dag.steps[index] as DagStep;
    let value: unknown;
    let problem: StepRequest['problem'];
    try {
      if (missed !== undefined) throw this.#quorumError(pathBelow(this.#scope.path, id), missed);
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
      watch: this.#isReadLive(index) ? this.#watchOf(index) : undefined,
      isReader: source.live.length > 0,
      isAnew: source.live.some((step) => this.#feeds.hasBegun(step)),
      contain: this.#containing(index, missed),
      readers: this.#isContained(index) ? readersOf(this.#dag, index) : undefined,
    };
    this.#running[index] = this.#scope.step(request, (answer) => {
      this.#running[index] = undefined;
      this.#feeds.leave(index);
      if (answer.kind === 'completed' && isBail(answer)) this.#endEarly(index, answer.output);
      else this.#settle(index, answer);
    });
  }

  #containing(index: number, missed: Group | undefined): StepRequest['contain'] {
    if (this.#isContained(index)) return () => this.#containment.failed(index);
    // Those failures that the quorum could have done without are the reason now.
    if (missed !== undefined)
      return () => ({ isContained: false, exposes: this.#containment.failedIn(missed) });
    return undefined;
  }

  #quorumError(path: string, group: Group): QuorumError {
    return new QuorumError(path, group.count, group.members.length, this.#groups.lost(group));
  }

  #isContained(index: number): boolean {
    return this.#dag.isContained[index] === true;
  }

  #isReadLive(index: number): boolean {
    return (this.#dag.liveDependents[index]?.length ?? 0) > 0;
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
    /** Steps whose quorum cannot be reached any more, each with it; as with the next one, none in a workflow without quorums. */
    let missed: Map<number, Group> | undefined;
    /** Quorums that are reached with these answers. */
    let made: Group[] | undefined;
    for (const [index, answer] of settled) {
      if (this.#answers[index] !== undefined) continue;
      this.#note(index, answer);
      if (answer.kind === 'failed' && !this.#isContained(index)) {
        this.#fail(answer);
        return;
      }
      for (const dependent of this.#dag.dependents[index] ?? []) {
        const { to, group } = dependent;
        const effect = this.#meet(dependent, index, answer);
        if (group !== undefined && this.#groups.isMade(group)) (made ??= []).push(group);
        if (effect === 'impossible' && this.#answers[to] === undefined) {
          if (answer.kind !== 'failed') {
            (missed ??= new Map<number, Group>()).set(to, group as Group);
            continue;
          }
          if (this.#isResult(to)) {
            this.#fail(answer);
            return;
          }
          this.#impossible.push(this.#dag.steps[to] as DagStep);
          settled.push([to, answer]);
        } else if (effect === 'ready' && !this.#isResult(to)) startable.push(to);
      }
    }
    if (made !== undefined) this.#withdrawBeside(made);
    for (const [index, group] of missed ?? []) {
      if (this.#isOver) return;
      if (this.#isResult(index)) {
        this.stop();
        this.#scope.fail(this.#quorumError(this.#scope.path, group));
      } else if (this.#isStartable(index)) this.#launch(index, group);
    }
    for (const index of startable) {
      if (this.#isOver) return;
      if (this.#isStartable(index)) this.#launch(index);
    }
    this.#finishIfDone();
  }

  #isStartable(index: number): boolean {
    return this.#answers[index] === undefined && this.#running[index] === undefined;
  }

  /** Withdraws what only members need that these quorums do without, and what only those need. */
  #withdrawBeside(made: readonly Group[]): void {
    const candidates = made.flatMap(({ cancelRest, members }) => (cancelRest ? members.flat() : []));
    for (const index of candidates) {
      if (this.#isOver) return;
      if (!this.#isSpare(index)) continue;
      this.#withdraw(index);
      const { edges, groups } = (this.#dag.steps[index] as DagStep).source;
      candidates.push(...edges.map(({ from }) => from), ...groups.flatMap(({ members }) => members.flat()));
    }
  }

  #isSpare(index: number): boolean {
    const { agent } = this.#dag.steps[index] as DagStep;
    // What a saga has done is kept or undone, and either is a matter of its own end.
    if (this.#answers[index] !== undefined || this.#hasEndedBefore(index) || hasSaga(definitionOf(agent)))
      return false;
    const dependents = this.#dag.dependents[index] ?? [];
    return (
      dependents.length > 0 &&
      dependents.every(
        ({ to, group, member }) =>
          this.#withdrawn.has(to) ||
          (group?.cancelRest === true && member !== undefined && this.#groups.isSpare(group, member)),
      )
    );
  }

  /** It is answered from the record, whether or not anybody needs it. */
  #hasEndedBefore(index: number): boolean {
    const { status, abandoned } = this.#scope.recorded((this.#dag.steps[index] as DagStep).id) ?? {};
    return status === 'COMPLETED' || status === 'FAILED' || (status === 'SKIPPED' && abandoned !== true);
  }

  #withdraw(index: number): void {
    const { id, agent } = this.#dag.steps[index] as DagStep;
    this.#withdrawn.add(index);
    this.#answers[index] = { kind: 'skipped', output: undefined };
    this.#remaining -= 1;
    for (const { group, member } of this.#dag.dependents[index] ?? [])
      if (group !== undefined && member !== undefined) this.#groups.lose(group, member);
    const running = this.#running[index];
    this.#running[index] = undefined;
    this.#feeds.leave(index);
    if (running === undefined) this.#scope.skip(id, agent, 'abandoned');
    else running.cancel('abandoned');
  }

  #note(index: number, answer: Answer): void {
    this.#answers[index] = answer;
    this.#remaining -= 1;
    if (this.#isReadLive(index)) this.#feeds.end(index, answer);
    if (answer.kind === 'skipped') this.#containment.noteSkipped(index);
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
