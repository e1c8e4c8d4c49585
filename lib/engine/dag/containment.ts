import type { Dag, DagStep } from '../../definition/dag';
import type { Containment, FailureReader } from '../../definition/scope';
import type { Group } from '../../definition/source';

/** Decides whether a workflow goes on after a contained step has failed: always, unless a quorum can no longer be reached. */
export interface DagContainment {
  /** The step fails now. */
  failed(index: number): Containment;
  /** The step has failed, now or in an earlier life. */
  note(index: number): void;
  /** The step was skipped, which is no vote. */
  noteSkipped(index: number): void;
  /** Ids of the steps because of which the members of a quorum are lost that have failed. */
  failedIn(group: Group): readonly string[];
}

/** @param hasFailed - Whether a step failed in an earlier life and will not be tried again. */
export function containmentOf(dag: Dag, hasFailed: (id: string) => boolean): DagContainment {
  const failed = new Set<number>();
  const skipped = new Set<number>();
  if (dag.hasGroups) dag.steps.forEach(({ id }, index) => hasFailed(id) && failed.add(index));
  return {
    failed(index) {
      failed.add(index);
      if (!dag.hasGroups) return CONTAINED;
      const culprits = culpritsOf(dag, failed, skipped);
      if (!culprits.has(index)) return CONTAINED;
      culprits.delete(index);
      return { isContained: false, exposes: [...culprits].map((step) => (dag.steps[step] as DagStep).id) };
    },
    note(index) {
      failed.add(index);
    },
    noteSkipped(index) {
      skipped.add(index);
    },
    failedIn: ({ members }) =>
      members.flat().flatMap((index) => (failed.has(index) ? [(dag.steps[index] as DagStep).id] : [])),
  };
}

const CONTAINED: Containment = { isContained: true };

/** The failed steps that make the workflow fail: because of them, a quorum that the result needs cannot be reached. */
function culpritsOf(
  { steps, dependents, isContained }: Dag,
  failed: ReadonlySet<number>,
  skipped: ReadonlySet<number>,
): Set<number> {
  /** For each step that failed or cannot run: the failed steps that caused it. */
  const causes = new Map<number, ReadonlySet<number>>();
  const lost = new Map<Group, Map<number, ReadonlySet<number>>>();
  const culprits = new Set<number>();
  const fail = (to: number, why: ReadonlySet<number>): void => {
    if (to === steps.length || isContained[to] !== true) for (const step of why) culprits.add(step);
    else if (!causes.has(to)) causes.set(to, why);
  };
  // Edges point forward: a step that cannot run because of this one has a higher index.
  for (let index = 0; index < steps.length; index += 1) {
    const why = failed.has(index) ? new Set([index]) : causes.get(index);
    if (why === undefined) continue;
    for (const { to, mode, group, member } of dependents[index] ?? []) {
      if (mode === 'value') fail(to, why);
      if (group === undefined || member === undefined) continue;
      const members = lost.get(group) ?? new Map<number, ReadonlySet<number>>();
      lost.set(group, members.set(member, new Set([...(members.get(member) ?? []), ...why])));
      const noVotes = group.members.filter(
        (all, position) => !members.has(position) && all.every((step) => skipped.has(step)),
      );
      if (group.members.length - members.size - noVotes.length >= group.count) continue;
      fail(to, new Set([...members.values()].flatMap((all) => [...all])));
    }
  }
  return culprits;
}

/** Who goes on from the failure of a step, also past those that cannot run because of it. */
export function readersOf({ steps, dependents }: Dag, failed: number): () => readonly FailureReader[] {
  return () => {
    const seen = new Set<number>();
    const readers: FailureReader[] = [];
    const quorums: { readonly reader: number; readonly past: readonly string[] }[] = [];
    const visit = (from: number, past: readonly string[]): void => {
      for (const { to, mode } of dependents[from] ?? []) {
        const step = steps[to];
        if (step === undefined || seen.has(to)) continue;
        if (mode === 'group') quorums.push({ reader: to, past: [...past, step.id] });
        else if (mode !== 'live') {
          seen.add(to);
          if (mode === 'value') visit(to, past);
          else readers.push({ id: step.id, past });
        }
      }
    };
    visit(failed, []);
    // The ways without a quorum come first: one of them is enough.
    for (const { reader, past } of quorums) {
      if (seen.has(reader)) continue;
      seen.add(reader);
      visit(reader, past);
    }
    return readers;
  };
}
