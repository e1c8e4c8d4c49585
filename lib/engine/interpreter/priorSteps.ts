import type { Definition, StepIds } from '../../definition/definition';
import { decodedOutput, identityOf } from '../../definition/definition';
import type { Answer } from '../../definition/scope';
import { NestedAgentError, NestedInputError } from '../../errors/stepErrors';
import { toFailure } from '../../model/failure';
import { isBelow, isWithin, pathsAbove } from '../../model/stepPath';
import type { StepResult } from '../../model/stepResult';
import type { StepTable } from '../../model/stepTable';
import type { Engine } from '../engine';
import type { StepTask } from '../task';

/** What earlier lives, or what happened earlier in this one, have left of the steps of a run. */
export class PriorSteps {
  readonly #engine: Pick<Engine, 'steps'>;
  #steps: StepTable | undefined;
  #waitedIn: ReadonlySet<string> | undefined;
  #waitingBelow: ReadonlyMap<string, number> | undefined;
  #rowsBelow: ReadonlyMap<string, readonly StepResult[]> | undefined;

  /** @param known - The steps as the life found them; undefined when the run is new. */
  constructor(engine: Pick<Engine, 'steps'>, known: StepTable | undefined) {
    this.#engine = engine;
    this.#steps = known;
  }

  /** Whether nothing is known: the run is new, and nothing in it has been asked for again. */
  get isEmpty(): boolean {
    return this.#steps === undefined;
  }

  at(path: string): StepResult | undefined {
    return this.#steps?.get(path);
  }

  /** The same for a step that has begun; undefined for any other. */
  begun(path: string): StepResult | undefined {
    const row = this.#steps?.get(path);
    return row === undefined || isUntouched(row) ? undefined : row;
  }

  /** The paths of the steps below this one that have begun. */
  begunBelow(path: string): string[] {
    const steps = this.#steps;
    return [...(steps ?? [])].flatMap((step) =>
      isBelow(step.stepId, path, steps) && !isUntouched(step) ? [step.stepId] : [],
    );
  }

  /** Whether a step below this one has begun; below the empty path, any. */
  hasBegunBelow(path: string): boolean {
    const steps = this.#steps;
    for (const row of steps ?? [])
      if (row.stepId !== path && isWithin(row.stepId, path, steps) && !isUntouched(row)) return true;
    return false;
  }

  /** The steps that stand below this one, with none between. */
  rowsBelow(path: string): readonly StepResult[] {
    return (this.#rowsBelow ??= rowsByParent(this.#steps)).get(path) ?? [];
  }

  hasStepsBelow(path: string): boolean {
    for (const { stepId } of this.#steps ?? []) if (stepId.startsWith(`${path}/`)) return true;
    return false;
  }

  /**
   * The time limit that an attempt at this step is still under, epoch milliseconds: something in it has waited since an earlier
   * life. Undefined where the attempt is a new one.
   */
  limitAt(path: string): number | undefined {
    const limitAt = this.#steps?.get(path)?.limitAt;
    return limitAt !== undefined && this.isWaitedIn(path) ? limitAt : undefined;
  }

  /** Whether a question or a sleep at or below this step is open on record: an attempt takes it up, and nobody is asked anew. */
  isWaitedIn(path: string): boolean {
    return this.#pathsOfWaiting().has(path);
  }

  /** In how many of the steps that stand below this one, with none between, something is open on record. */
  waitingBelow(path: string): number {
    this.#waitingBelow ??= countsByParent(this.#pathsOfWaiting(), this.#steps);
    return this.#waitingBelow.get(path) ?? 0;
  }

  #pathsOfWaiting(): ReadonlySet<string> {
    return (this.#waitedIn ??= pathsOfWaiting(this.#steps));
  }

  /** Reads the record again: what has happened in this life belongs to it from here on. */
  renew(): void {
    this.#steps = this.#engine.steps();
    this.#waitedIn = undefined;
    this.#waitingBelow = undefined;
    this.#rowsBelow = undefined;
  }
}

/** The rows of all steps, by the path of the nearest step above each. */
function rowsByParent(steps: StepTable | undefined): ReadonlyMap<string, readonly StepResult[]> {
  const byParent = new Map<string, StepResult[]>();
  for (const row of steps ?? []) {
    const above = nearestAbove(row.stepId, steps);
    const beside = byParent.get(above);
    if (beside === undefined) byParent.set(above, [row]);
    else beside.push(row);
  }
  return byParent;
}

/** The nearest step above another one; the run itself where there is none. */
function nearestAbove(path: string, steps: StepTable | undefined): string {
  return pathsAbove(path, steps).find((above) => steps?.get(above) !== undefined) ?? '';
}

/** How many of these steps stand below each step, with none between. */
function countsByParent(
  paths: ReadonlySet<string>,
  steps: StepTable | undefined,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    if (steps?.get(path) === undefined) continue;
    const above = nearestAbove(path, steps);
    counts.set(above, (counts.get(above) ?? 0) + 1);
  }
  return counts;
}

/** The paths of steps that wait, and of all above them. */
function pathsOfWaiting(steps: StepTable | undefined): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const { stepId, status } of steps ?? []) {
    if (status !== 'SUSPENDED') continue;
    paths.add(stepId);
    for (const above of pathsAbove(stepId, steps)) paths.add(above);
  }
  return paths;
}

function isUntouched({ status, attempts }: StepResult): boolean {
  return status === 'PENDING' && attempts === 0;
}

/** Why what is on record of a step does not belong to the step that is asked for; undefined when it does. */
export function misfit(
  engine: Pick<Engine, 'hash'>,
  { path, input, definition, ids }: StepTask,
  saved: StepResult,
): NestedInputError | NestedAgentError | undefined {
  if (isUntouched(saved)) return undefined;
  const { agent, inputHash } = saved;
  // An undoing step bears a name of its own making.
  if (agent !== '' && agent !== definition.name) return new NestedAgentError(path, agent, definition.name);
  if (inputHash === undefined) return undefined;
  // Releases before format 3 kept the input alone.
  const [hash, identity] = inputHash.split('.');
  if ((engine.hash(input) ?? hash) !== hash) return new NestedInputError(path);
  if (identity !== undefined && identity !== identityOf(definition, ids))
    return new NestedAgentError(path, agent, definition.name);
  return undefined;
}

/** Which ids are on record below a step that a function has asked for, or that is an item of a stream: no plan says so. */
export function idsOfSaved({ definition, ids }: StepTask, inputHash: string): StepIds {
  const [, identity] = inputHash.split('.');
  if (identity === undefined || identity === identityOf(definition, ids)) return ids;
  return identity === identityOf(definition, 'earlier') ? 'earlier' : ids;
}

/**
 * How a step has ended before, as its structure hears it; undefined when it has not ended. A step whose saved output can no
 * longer be read has failed.
 */
export function savedAnswer(task: StepTask, saved: StepResult): Answer | undefined {
  try {
    switch (saved.status) {
      case 'COMPLETED':
        return completedAnswer(task.definition, saved);
      case 'SKIPPED':
        // Nobody had waited for it any more; somebody does again.
        if (saved.abandoned === true) return undefined;
        return { kind: 'skipped', output: saved.output };
      case 'FAILED':
        return {
          kind: 'failed',
          failure: saved.error ?? toFailure('unknown', task.path),
          cause: undefined,
        };
      default:
        return undefined;
    }
  } catch (error) {
    return { kind: 'failed', failure: toFailure(error, task.path), cause: error };
  }
}

export type CompletedAnswer = Extract<Answer, { kind: 'completed' }>;

/**
 * The answer of a step that has completed, from the form in which its output is saved.
 *
 * @throws ValidationError when the agent's codec cannot read what was saved.
 */
export function completedAnswer(
  definition: Definition,
  { output: stored, givenBy, kept }: Pick<StepResult, 'output' | 'givenBy' | 'kept'>,
): CompletedAnswer {
  const output = decodedOutput(definition, stored, givenBy);
  if (kept === undefined && givenBy === undefined) return { kind: 'completed', output };
  return {
    kind: 'completed',
    output,
    ...(kept !== undefined && { kept }),
    ...(givenBy !== undefined && { givenBy }),
  };
}
