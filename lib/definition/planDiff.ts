import { isDeepStrictEqual } from 'node:util';

import type { Plan, PlanDiff, PlanStep } from '../model/plan';
import type { RunState } from '../model/state';
import { compositeOf } from '../model/stepPath';
import type { StepResult } from '../model/stepResult';
import type { Definition, StepIds } from './definition';
import { identityOf, planOf, unplannedOf } from './definition';

/** How the plan of a saved run differs from the plan of the definition at hand; undefined when it does not. */
export function planDiff(saved: Plan, actual: Plan): PlanDiff | undefined {
  if (saved === actual) return undefined;
  const before = new Map(saved.map((step) => [step.path, step]));
  const after = new Map(actual.map((step) => [step.path, step]));
  const diff = {
    added: actual.filter(({ path }) => !before.has(path)).map(({ path }) => path),
    removed: saved.filter(({ path }) => !after.has(path)).map(({ path }) => path),
    changed: actual.filter((step) => isChanged(before.get(step.path), step)).map(({ path }) => path),
    results: actual
      .filter((step) => givesElse(before.get(step.path), step))
      .map(({ path }) => compositeOf(path)),
  };
  return Object.values(diff).every(({ length }) => length === 0) ? undefined : diff;
}

/**
 * Which ids the parts of this agent have in a saved run: earlier ones where its record has them.
 *
 * Releases that did not say who carries out what no plan names knew no others.
 */
export function idsIn(definition: Definition, saved: Pick<RunState, 'plan' | 'unplanned'>): StepIds {
  if (identityOf(definition) === identityOf(definition, 'earlier')) return 'own';
  const paths = new Set(planOf(definition).map(({ path }) => path));
  const earlierPaths = new Set(
    planOf(definition, 'earlier').flatMap(({ path }) => (paths.has(path) ? [] : [path])),
  );
  if (saved.plan.some(({ path }) => earlierPaths.has(path))) return 'earlier';
  const places = unplannedOf(definition);
  const isEarlier = Object.entries(unplannedOf(definition, 'earlier') ?? {}).some(
    ([place, identity]) =>
      places?.[place] !== identity && (saved.unplanned === undefined || saved.unplanned[place] === identity),
  );
  return isEarlier ? 'earlier' : 'own';
}

/** Which of the steps that no plan names are carried out by another agent than those that have begun. */
export interface UnplannedDiff {
  /** Where they are. */
  readonly places: readonly string[];
  /** Paths that no longer hold: of the items, where those do not depend on one another, otherwise of the composites as a whole. */
  readonly stale: readonly string[];
  /** Composites of those items. */
  readonly above: readonly string[];
}

/**
 * How the agents differ that carry out what the plan does not name. A place where nothing has begun does not count; undefined when
 * none does, or the run was saved by a release that did not say.
 */
export function unplannedDiff(
  { unplanned: saved, steps }: Pick<RunState, 'unplanned' | 'steps'>,
  actual: RunState['unplanned'],
): UnplannedDiff | undefined {
  const known = new Set([...Object.keys(saved ?? {}), ...(actual?.[''] === undefined ? [] : [''])]);
  const places = [...known].filter((place) => saved?.[place] !== actual?.[place]);
  const stale: string[] = [];
  const above: string[] = [];
  const changed = places.filter((place) => {
    const pathAt = pathsAt(place);
    const begun = new Set(
      [...steps].filter(hasBegun).flatMap(({ stepId }) => pathAt.exec(stepId)?.slice(0, 1) ?? []),
    );
    if (begun.size === 0) return false;
    const isItem = place.includes('[]/');
    const composite = isItem ? place.slice(0, place.indexOf('[]')) : compositeOf(place);
    if (isItem) {
      stale.push(...begun);
      above.push(composite);
    } else stale.push(place.endsWith('[]') ? place.slice(0, -2) : composite);
    return true;
  });
  return changed.length === 0 ? undefined : { places: changed, stale, above };
}

/** Takes the step at a place from its path, and from those below it: brackets hold the number of a round, or the key of an item. */
function pathsAt(place: string): RegExp {
  if (place === '') return /^/;
  const parts = place.split('[]').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('\\[[^\\]]*\\]')}(?=$|[/[])`);
}

function hasBegun({ status, attempts }: StepResult): boolean {
  return status !== 'PENDING' || attempts > 0;
}

function isChanged(before: PlanStep | undefined, after: PlanStep): boolean {
  return (
    before !== undefined &&
    (before.agent !== after.agent ||
      before.kind !== after.kind ||
      before.version !== after.version ||
      !isDeepStrictEqual([...before.sources], [...after.sources]))
  );
}

/** Runs that were saved before results were part of the plan are taken as unchanged. */
function givesElse(before: PlanStep | undefined, after: PlanStep): boolean {
  return (
    before?.result !== undefined &&
    after.result !== undefined &&
    !isDeepStrictEqual([...before.result], [...after.result])
  );
}
