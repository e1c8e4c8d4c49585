import { jsonValue } from '../../codec/jsonValue';
import type { SharedDefinition } from '../../definition/definition';
import { NoSharedStateError } from '../../errors/stepErrors';
import type { StepCompleted } from '../../model/event';
import { InvalidArgumentError } from '../../model/failure';
import { frozenCopy } from '../../model/shared';
import type { Engine } from '../engine';
import type { Recipe, Updated } from '../attemptUpdates';
import { AttemptUpdates } from '../attemptUpdates';
import type { StepTask } from '../task';

/**
 * The states that steps share, as they stand after the latest event. What an attempt changes is held at its task and made to the
 * state when the attempt has given its output: then, whatever others have changed meanwhile, so that nobody's change is lost.
 */
export class SharedStates {
  readonly #engine: Pick<Engine, 'shared'>;
  /** By the path of their workflow; the empty one is the run. None in most runs. */
  #values: Map<string, unknown> | undefined;
  /** Those of which nothing is on record, because their workflow had nothing of the kind when it began. */
  #unrecorded: Set<string> | undefined;

  constructor(engine: Pick<Engine, 'shared'>) {
    this.#engine = engine;
  }

  /** What a function sees: the state with what its attempt has changed so far. Undefined where nothing is shared. */
  read({ sharing, updates }: StepTask): unknown {
    if (sharing === undefined) return undefined;
    const now = this.#now(sharing);
    return updates === undefined ? now : updates.over(now).shared;
  }

  /**
   * Notes a change of the attempt under way.
   *
   * @param change - A recipe of Immer, or what the `reduce` of the workflow takes.
   * @throws NoSharedStateError when there is nothing to change.
   * @throws InvalidArgumentError when there is no `reduce` for it, or it is not done at once.
   * @throws StateValueError for what JSON would not keep.
   */
  update(task: StepTask, change: unknown): void {
    const { sharing, path } = task;
    if (sharing === undefined) throw new NoSharedStateError(path);
    (task.updates ??= new AttemptUpdates(path)).add(
      recipeOf(change, sharing.definition, path),
      this.#now(sharing),
    );
  }

  /**
   * Makes what the attempt has changed to the state, for the event that completes the step; nothing when it has changed nothing.
   *
   * @throws what a recipe throws, because the state has changed since the function asked for it.
   */
  commit(task: StepTask): Pick<StepCompleted, 'updates' | 'updated'> | undefined {
    const done = this.tried(task);
    const { sharing } = task;
    if (sharing === undefined || done === undefined || done.patches.length === 0) return undefined;
    const { of } = sharing;
    this.#values?.set(of, done.shared);
    const isWhole = this.#unrecorded?.delete(of) === true;
    const updates = isWhole ? [{ op: 'replace', path: [], value: done.shared } as const] : done.patches;
    return { updates, ...(of !== '' && { updated: of }) };
  }

  /** The same without making it. */
  tried({ sharing, updates }: StepTask): Updated | undefined {
    return sharing === undefined ? undefined : updates?.over(this.#now(sharing));
  }

  /** Steps were dropped, and what they had changed with them: the record says what is left. */
  renew(): void {
    this.#values?.clear();
    this.#unrecorded?.clear();
  }

  #now({ of, definition }: NonNullable<StepTask['sharing']>): unknown {
    const values = (this.#values ??= new Map<string, unknown>());
    if (!values.has(of)) {
      const recorded = this.#engine.shared?.(of);
      if (recorded === undefined) (this.#unrecorded ??= new Set()).add(of);
      values.set(of, recorded === undefined ? definition.initial : frozenCopy(recorded));
    }
    return values.get(of);
  }
}

function recipeOf(change: unknown, { reduce }: SharedDefinition, path: string): Recipe {
  if (typeof change === 'function') return change as Recipe;
  if (reduce === undefined)
    throw new InvalidArgumentError(
      `Cannot update the shared state in step "${path}" with ${typeof change}: its workflow has no "reduce"`,
      'give a function that changes the draft, or give the workflow { shared: { initial, reduce } }',
    );
  const action = frozenCopy(jsonValue(change, path));
  return (draft) => reduce(draft, action);
}
