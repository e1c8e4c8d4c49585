import type { SavedAgentMetrics } from './agentMetrics';
import type { AlertRecord } from './alert';
import { MOST_RECORDS } from './alert';
import type { SavedDurations } from './durations';
import { MOST_RECENT } from './durations';
import type { MonitorState } from './monitor';
import type { SavedSketch } from './sketch';
import type { SavedWorkflowMetrics } from './workflowMetrics';

const nothing: MonitorState = { version: 1, workflows: [], alerts: [] };

/**
 * What `theirs` says and what has come to `ours` since `base`: the numbers of two monitors that began with the same ones. Counts
 * and sums are added up; of alerts and of what rules remember, ours hold for the workflows that ran here.
 */
export function mergeStates(
  theirs: MonitorState,
  ours: MonitorState,
  base: MonitorState = nothing,
): MonitorState {
  const workflows = merged(
    theirs.workflows,
    ours.workflows,
    base.workflows,
    (it) => it.workflowName,
    mergeWorkflows,
  );
  const alertKey = (it: { readonly ruleName: string; readonly workflowName: string }): string =>
    JSON.stringify([it.ruleName, it.workflowName]);
  const before = new Set(base.alerts.map(alertKey));
  const now = new Set(ours.alerts.map(alertKey));
  // What ended here since then has ended there too.
  const kept = theirs.alerts.filter((alert) => now.has(alertKey(alert)) || !before.has(alertKey(alert)));
  const known = new Set(kept.map(alertKey));
  const added = ours.alerts.filter((alert) => !known.has(alertKey(alert)) && !before.has(alertKey(alert)));
  const rules = new Map(
    [...(theirs.rules ?? []), ...(ours.rules ?? [])].map((rule) => [alertKey(rule), rule]),
  );
  const history = mergeHistories(theirs.history ?? [], ours.history ?? []);
  return {
    version: 1,
    workflows,
    alerts: [...kept, ...added],
    ...(history.length === 0 ? {} : { history }),
    ...(rules.size === 0 ? {} : { rules: [...rules.values()] }),
  };
}

/** By name: theirs in their order, then those that only we know. */
function merged<T>(
  theirs: readonly T[],
  ours: readonly T[],
  base: readonly T[],
  nameOf: (item: T) => string,
  merge: (theirs: T, ours: T, base: T | undefined) => T,
): readonly T[] {
  const bases = new Map(base.map((item) => [nameOf(item), item]));
  const all = new Map(theirs.map((item) => [nameOf(item), item]));
  for (const item of ours) {
    const name = nameOf(item);
    const there = all.get(name);
    all.set(name, there === undefined ? item : merge(there, item, bases.get(name)));
  }
  return [...all.values()];
}

function mergeWorkflows(
  theirs: SavedWorkflowMetrics,
  ours: SavedWorkflowMetrics,
  base: SavedWorkflowMetrics | undefined,
): SavedWorkflowMetrics {
  return {
    workflowName: ours.workflowName,
    successes: theirs.successes + ours.successes - (base?.successes ?? 0),
    failures: theirs.failures + ours.failures - (base?.failures ?? 0),
    durations: mergeDurations(theirs.durations, ours.durations, base?.durations),
    agents: merged(theirs.agents, ours.agents, base?.agents ?? [], (it) => it.agentName, mergeAgents),
  };
}

function mergeAgents(
  theirs: SavedAgentMetrics,
  ours: SavedAgentMetrics,
  base: SavedAgentMetrics | undefined,
): SavedAgentMetrics {
  return {
    agentName: ours.agentName,
    successes: theirs.successes + ours.successes - (base?.successes ?? 0),
    failures: theirs.failures + ours.failures - (base?.failures ?? 0),
    ownDuration: Math.max(0, theirs.ownDuration + ours.ownDuration - (base?.ownDuration ?? 0)),
    durations: mergeDurations(theirs.durations, ours.durations, base?.durations),
  };
}

/**
 * Counts, sums and sums of squares can be added and taken away (Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances", 1979); the shortest and the longest are those of both.
 */
function mergeDurations(
  theirs: SavedDurations,
  ours: SavedDurations,
  base: SavedDurations | undefined,
): SavedDurations {
  if (ours.count === base?.count) return theirs;
  if (theirs.count === 0) return ours;
  const of = (pick: (it: SavedDurations) => number): number =>
    pick(theirs) + pick(ours) - (base === undefined ? 0 : pick(base));
  const count = of((it) => it.count);
  const mean = count === 0 ? 0 : of((it) => it.mean * it.count) / count;
  // Distances from one common middle keep the squares small.
  const m2 = of((it) => it.m2 + it.count * (it.mean - mean) ** 2);
  return {
    count,
    mean,
    m2: Math.max(0, m2),
    min: Math.min(theirs.min, ours.min),
    max: Math.max(theirs.max, ours.max),
    total: Math.max(
      0,
      of((it) => it.total),
    ),
    sketch: mergeSketches(theirs.sketch, ours.sketch, base?.sketch ?? []),
    recent: [...(theirs.recent ?? []), ...newestOf(ours, base)].slice(-MOST_RECENT),
  };
}

/** The durations that have come to ours since. */
function newestOf(
  { count, recent = [] }: SavedDurations,
  base: SavedDurations | undefined,
): readonly number[] {
  return recent.slice(Math.max(0, recent.length - (count - (base?.count ?? 0))));
}

/** What has fired and cleared in either, in the order in which it happened. */
function mergeHistories(
  theirs: readonly AlertRecord[],
  ours: readonly AlertRecord[],
): readonly AlertRecord[] {
  const keyOf = ({ ruleName, workflowName, status, at }: AlertRecord): string =>
    JSON.stringify([ruleName, workflowName, status, at]);
  const all = new Map([...theirs, ...ours].map((record) => [keyOf(record), record]));
  return [...all.values()].sort((a, b) => a.at - b.at).slice(-MOST_RECORDS);
}

function mergeSketches(theirs: SavedSketch, ours: SavedSketch, base: SavedSketch): SavedSketch {
  const counts = new Map(theirs);
  const add = (sketch: SavedSketch, sign: number): void => {
    for (const [bucket, count] of sketch) counts.set(bucket, (counts.get(bucket) ?? 0) + sign * count);
  };
  add(ours, 1);
  add(base, -1);
  return [...counts].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
}
