import type { Answer } from '../../definition/scope';
import type { Group } from '../../definition/source';

/** What an answer means for a step, or the result, that waits for it. */
export type Effect = 'ready' | 'waits' | 'impossible';

/** How far each quorum of a workflow has come. */
export interface Quorums {
  /** A step that belongs to this member has ended. */
  met(group: Group, member: number, from: number, answer: Answer): Effect;
  /** The members that make the quorum, in the order of the sources; none before there are enough. */
  chosen(group: Group): readonly number[];
}

interface Progress {
  /** Steps that each member still waits for. */
  readonly pending: Set<number>[];
  readonly done: number[];
  readonly failed: Set<number>;
  chosen: readonly number[] | undefined;
  /** Members that made the quorum in an earlier life: this life must choose the same. */
  readonly former: readonly number[] | undefined;
}

/** @param seqOf - `seq` of the event with which a step completed in an earlier life; undefined when it did not. */
export function quorums(seqOf: (step: number) => number | undefined): Quorums {
  const progresses = new Map<Group, Progress>();

  const progressOf = (group: Group): Progress => {
    let progress = progresses.get(group);
    if (progress !== undefined) return progress;
    progress = {
      pending: group.members.map((steps) => new Set(steps)),
      done: [],
      failed: new Set(),
      chosen: undefined,
      former: formerly(group),
    };
    progresses.set(group, progress);
    return progress;
  };

  /** The members that completed first in an earlier life, if enough of them did. */
  const formerly = ({ count, members }: Group): readonly number[] | undefined => {
    const done = members.flatMap((steps, member) => {
      const seq = Math.max(...steps.map((step) => seqOf(step) ?? Infinity));
      return seq === Infinity ? [] : [{ member, seq }];
    });
    if (done.length < count) return undefined;
    return done
      .sort((a, b) => a.seq - b.seq)
      .slice(0, count)
      .map(({ member }) => member);
  };

  return {
    met(group, member, from, answer) {
      const progress = progressOf(group);
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
    },
    chosen: (group) => progresses.get(group)?.chosen ?? [],
  };
}
