import type { Subscriber } from 'rxjs';

import type { Definition, SharedDefinition, StepIds } from '../definition/definition';
import { idIn, isStructure } from '../definition/definition';
import type { Answer, StepRequest, TaskPolicy, Watch } from '../definition/scope';
import type { LimitPolicy } from '../model/agentType';
import type { RowPlace } from '../model/stepTable';
import type { Stop } from '../streams/pull';
import type { AttemptUpdates } from './attemptUpdates';

/** Says that a step does not wait for a call any more, or that nothing comes of its own: it failed for good, or was stopped. */
export type LeaveCall = (hasFailed: boolean) => void;

/** One step under way: what was asked for, and how far it has come. Lives only while the run is carried out. */
export interface StepTask {
  readonly path: string;
  readonly definition: Definition;
  readonly policy: TaskPolicy;
  readonly parent: StepTask | undefined;
  readonly answer: (answer: Answer) => void;
  readonly watch: Watch | undefined;
  /** What is on record below it belongs to another input. */
  readonly isAnew: boolean;
  /** Asked when it fails for good. */
  readonly contain: StepRequest['contain'];
  /** Asked when what is above it is tried again. */
  readonly readers: StepRequest['readers'];
  readonly caught: StepRequest['caught'];
  /** The row of the step whose work it undoes. */
  readonly undoes: StepRequest['undoes'];
  /** The key of its limit, where it is known without asking: that of the step that it undoes. */
  readonly limitKey: string | undefined;
  /** Nothing of it goes on: it is there only for what sagas in it have to undo, tells nothing, and has no end. */
  readonly isStopped: boolean;
  /** Whether its input, or that of a step above it, may hold streams of steps that are under way. */
  readonly isReader: boolean;
  /** The shared state that it may change: that of the nearest composite upwards, itself included. */
  readonly sharing: { readonly of: string; readonly definition: SharedDefinition } | undefined;
  /** What the attempt under way has changed of it. */
  updates: AttemptUpdates | undefined;
  /** Steps on record, this one among them, that are dropped when it begins. */
  supersedes: readonly string[] | undefined;
  /** Where its row stands, for one that surely has none before it begins. */
  place: RowPlace | undefined;
  /** Which ids the parts of composites have in it and below. */
  ids: StepIds;
  input: unknown;
  /** Number of the attempt under way, over all lives of the run; 0 before the first. */
  attempt: number;
  /** How often its calls counted no more, because what it is called with had changed. */
  revision: number;
  /** Attempts that have begun in this life. */
  tries: number;
  /** Reading of the engine's steady clock when the first attempt of this life began. */
  startedAt: number;
  /** Partial results of the attempt under way. */
  partials: number;
  kept: unknown[] | undefined;
  /** `ending`: an attempt is over, another may follow; `ended`: its end is being recorded; `done`: answered, or stopped. */
  phase: 'running' | 'suspended' | 'ending' | 'ended' | 'done';
  /** Whether it brings the run on by itself right now. */
  isActive: boolean;
  /** The nearest step, from this one upwards, whose policy has a limit. */
  readonly room: StepTask | undefined;
  /** How many at and below a limited step are active, questions to the engine included. */
  activeInRoom: number;
  /** Questions of its structure that the engine has not answered. */
  pending: number;
  stop: Stop | undefined;
  /** Leaves a call that is shared with other steps. */
  leaveCall: LeaveCall | undefined;
  /** Steps below this one that failed since its attempt began. */
  failedBelow: FailedStep[] | undefined;
  /** Ids of nested steps that the function's current attempt has used. */
  nestedIds: Set<string> | undefined;
  /** Nested steps of the function that have not answered, each with who waits for it. */
  children: Map<StepTask, Subscriber<never>> | undefined;
  /** Whether its attempt has told what it used: then its output is not counted once more. */
  hasReported: boolean;
  /** When its attempt ends in any case, epoch milliseconds; undefined without a time limit. */
  limitAt: number | undefined;
  /** How long its attempt may take, in milliseconds: the rest where it is under the limit of an earlier life. */
  limitMs: number | undefined;
  /** Paths of nested steps whose failures the function's current attempt has heard of. */
  heardFailures: string[] | undefined;
}

/** A step that has failed, as those above it remember it. */
export interface FailedStep {
  readonly path: string;
  /** The steps that go on from its failure, with their paths for ids. */
  readonly readers: StepRequest['readers'];
  /** It failed in an earlier life: what has failed below it is known from the record alone. */
  readonly isEarlier: boolean;
}

/** A step that has been asked for and has not begun. */
export function newTask(
  parent: StepTask | undefined,
  path: string,
  definition: Definition,
  policy: TaskPolicy,
  input: unknown,
  answer: (answer: Answer) => void,
  {
    watch,
    isAnew = false,
    isReader = false,
    contain,
    readers,
    caught,
    undoes,
    isStopped = parent?.isStopped === true,
  }: Pick<
    StepRequest,
    'watch' | 'isAnew' | 'isReader' | 'contain' | 'readers' | 'caught' | 'undoes' | 'isStopped'
  > = {},
): StepTask {
  const task: StepTask = {
    path,
    definition,
    policy,
    parent,
    answer,
    watch,
    isAnew,
    contain,
    readers,
    caught,
    undoes,
    limitKey: undoes?.limitKey,
    // What a saga undoes is carried out wherever the saga is.
    isStopped: isStopped && undoes === undefined,
    sharing: sharingOf(definition, path) ?? parent?.sharing,
    updates: undefined,
    supersedes: undefined,
    place: undefined,
    isReader: isReader || parent?.isReader === true,
    ids: parent?.ids ?? 'own',
    input,
    attempt: 0,
    revision: 0,
    tries: 0,
    startedAt: 0,
    partials: 0,
    kept: undefined,
    phase: 'running',
    isActive: false,
    room: parent?.room,
    activeInRoom: 0,
    pending: 0,
    stop: undefined,
    leaveCall: undefined,
    failedBelow: undefined,
    nestedIds: undefined,
    children: undefined,
    hasReported: false,
    limitAt: undefined,
    limitMs: undefined,
    heardFailures: undefined,
  };
  return policy.limit === undefined ? task : Object.assign(task, { room: task });
}

function sharingOf(definition: Definition, path: string): StepTask['sharing'] {
  if (!isStructure(definition) || definition.shared === undefined) return undefined;
  return { of: path, definition: definition.shared };
}

/** The path of a step below another one; an id that begins with `[` stands behind it without a `/`. */
export function pathBelow(base: string, id: string): string {
  return base === '' || id.startsWith('[') ? base + id : `${base}/${id}`;
}

/** The path of a step that a composite asks for by the id of one of its parts, or by one of its own making. */
export function pathOfPart(
  { path, definition, ids }: Pick<StepTask, 'path' | 'definition' | 'ids'>,
  id: string,
): string {
  return pathBelow(path, ids === 'own' || !isStructure(definition) ? id : idIn(definition, id, ids));
}

/** A key as part of a path: quoted, with `/`, `[` and `]` escaped. */
export function quotedKey(key: string): string {
  return JSON.stringify(key).replace(
    /[/[\]]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What tells apart, in a limit, whom a call concerns; what is no text counts as its text. May call a function of the user's. */
export function limitKeyOf(limit: LimitPolicy, input: unknown): string | undefined {
  const own: unknown = limit.key?.(input as never);
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- what is on record of it is its text, whatever that says
  return own === undefined || own === null ? undefined : String(own);
}

/**
 * Whether an attempt at a step is under way.
 *
 * A function, because the compiler would otherwise believe that what was just set cannot have changed meanwhile.
 */
export function isRunning(task: StepTask): boolean {
  return task.phase === 'running';
}

/** Whether a step is carried out within another one. */
export function isAbove(above: StepTask, task: StepTask): boolean {
  for (let step = task.parent; step !== undefined; step = step.parent) if (step === above) return true;
  return false;
}
