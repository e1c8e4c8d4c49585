import type { Answer } from '../../definition/scope';
import type { Group } from '../../definition/source';
import type { StepResult } from '../../model/stepResult';

/** What an answer means for a step, or the result, that waits for it. */
export type Effect = 'ready' | 'waits' | 'impossible';

interface Progress {
  /** Steps that each member still waits for. */
  readonly pending: readonly Set<number>[];
  /** Members of which a step has completed. A member all of whose steps were skipped is no vote. */
  readonly voting: Set<number>;
  readonly done: number[];
  /** Members that cannot be done any more. */
  readonly lost: Set<number>;
  chosen: readonly number[] | undefined;
  /** Members that made the quorum in an earlier life: this life must choose the same. */
  readonly former: readonly number[] | undefined;
}

/** How far each quorum of a workflow has come. */
export class Quorums {
  readonly #progresses = new Map<Group, Progress>();
  readonly #recorded: (step: number) => StepResult | undefined;

  /** @param recorded - What earlier lives have left of a step. */
  constructor(recorded: (step: number) => StepResult | undefined) {
    this.#recorded = recorded;
  }

  /** A step that belongs to this member has ended. */
  met(group: Group, member: number, from: number, answer: Answer): Effect {
    const progress = this.#progressOf(group);
    if (progress.chosen !== undefined) return 'waits';
    const pending = progress.pending[member];
    if (answer.kind !== 'failed') {
      pending?.delete(from);
      if (answer.kind === 'completed') progress.voting.add(member);
      if (pending?.size !== 0) return 'waits';
    }
    if (answer.kind === 'failed' || !progress.voting.has(member)) {
      progress.lost.add(member);
      // Whoever reads the quorum may have been given what one gave that can no longer be read: others do not take its place.
      const isGone = progress.former?.includes(member) === true;
      return isGone || group.members.length - progress.lost.size < group.count ? 'impossible' : 'waits';
    }
    if (progress.former?.includes(member) === false) return 'waits';
    progress.done.push(member);
    if (progress.done.length < group.count) return 'waits';
    progress.chosen = [...progress.done].sort((a, b) => a - b);
    return 'ready';
  }

  /** The members that make the quorum, in the order of the sources; none before there are enough. */
  chosen(group: Group): readonly number[] {
    return this.#progresses.get(group)?.chosen ?? [];
  }

  /** Whether it is known which members make the quorum, from this life or an earlier one. */
  isMade(group: Group): boolean {
    const { chosen, former } = this.#progressOf(group);
    return (chosen ?? former) !== undefined;
  }

  /** Whether the quorum needs this member no more. */
  isSpare(group: Group, member: number): boolean {
    const { chosen, former } = this.#progressOf(group);
    return (chosen ?? former)?.includes(member) === false;
  }

  /** The member will not be done. */
  lose(group: Group, member: number): void {
    this.#progressOf(group).lost.add(member);
  }

  /** How many members cannot be done any more. */
  lost(group: Group): number {
    return this.#progressOf(group).lost.size;
  }

  #progressOf(group: Group): Progress {
    let progress = this.#progresses.get(group);
    if (progress !== undefined) return progress;
    progress = {
      pending: group.members.map((steps) => new Set(steps)),
      voting: new Set(),
      done: [],
      lost: new Set(),
      chosen: undefined,
      former: this.#formerly(group),
    };
    this.#progresses.set(group, progress);
    return progress;
  }

  /** The members that completed first in an earlier life, if enough of them did. */
  #formerly({ count, members }: Group): readonly number[] | undefined {
    const done = members.flatMap((steps, member) => {
      const seqs = steps.map((step) => this.#endedAt(step));
      const seq = Math.max(...seqs);
      return seqs.every((at) => at === SKIPPED) || seq === Infinity ? [] : [{ member, seq }];
    });
    if (done.length < count) return undefined;
    return done
      .sort((a, b) => a.seq - b.seq)
      .slice(0, count)
      .map(({ member }) => member);
  }

  #endedAt(step: number): number {
    const { status, seq, abandoned } = this.#recorded(step) ?? {};
    if (status === 'SKIPPED' && abandoned !== true) return SKIPPED;
    return status === 'COMPLETED' ? (seq ?? 0) : Infinity;
  }
}

const SKIPPED = -1;
