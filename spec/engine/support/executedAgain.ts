import type { Execution } from './agents';

/** What of `report` begins only when the result of this step is in the journal. */
const users: Readonly<Record<string, readonly string[]>> = {
  load: ['normalize', 'deep'],
  normalize: ['stats', 'topics'],
  stats: ['render'],
  topics: ['render'],
  deep: ['render'],
  'deep/count': ['deep/split'],
  'deep/split': ['render'],
};

/** Calls of `report` that began although their result had been used before. */
export function executedAgain(executions: readonly Execution[]): readonly string[] {
  const begun = new Set<string>();
  const again: string[] = [];
  for (const { kind, runId, path } of executions) {
    if (kind !== 'begin') continue;
    if (users[path]?.some((user) => begun.has(`${runId} ${user}`)) === true) again.push(`${runId} ${path}`);
    begun.add(`${runId} ${path}`);
  }
  return again;
}
