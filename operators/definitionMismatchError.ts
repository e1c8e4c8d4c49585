import type { PlanDiff } from '../lib/graph/planDiff';

/** A saved run was to be resumed with a definition whose steps differ from those it was begun with. */
export class DefinitionMismatchError extends Error {
  override readonly name = 'DefinitionMismatchError';
  readonly retryable = false;
  readonly runId: string;
  readonly diff: PlanDiff;

  constructor(runId: string, agent: string, diff: PlanDiff) {
    super(
      `Cannot resume run "${runId}": "${agent}" is no longer the definition it was begun with (${inWords(diff)}); use another ` +
        `runId for a new run, or say onMismatch: 'actual' to keep what does not depend on the change`,
    );
    this.runId = runId;
    this.diff = diff;
  }
}

function inWords({ added, removed, changed, results }: PlanDiff): string {
  const part = (what: string, paths: readonly string[]): string[] =>
    paths.length === 0 ? [] : [`${what}: ${paths.slice(0, 5).join(', ')}${paths.length > 5 ? ', …' : ''}`];
  return [
    ...part('added', added),
    ...part('removed', removed),
    ...part('changed', changed),
    ...part(
      'another result',
      results.map((path) => (path === '' ? 'of the run' : path)),
    ),
  ].join('; ');
}
