import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import type { Failure as FailureRecord } from '../model/failure';
import type { GivenBy as GivenByRecord } from '../model/givenBy';
import { isGivenBy } from '../model/givenBy';
import type { AgentKind, Plan as PlanRecord, PlanStep } from '../model/plan';
import type { SharedPatch } from '../model/shared';
import type { SnapshotMetadata, SnapshotSummary } from '../model/snapshot';
import type { RunState as RunStateRecord, RunStatus } from '../model/state';
import type { StepResult, StepStatus } from '../model/stepResult';
import { StepTable } from '../model/stepTable';
import type { Usage as UsageRecord } from '../model/usage';
import { Count, Finite, guard, Json, listOf, Moment, oneOf } from './plainCodecs';
import { recordCodec } from './recordCodec';

/** An error as it is stored. */
export const Failure: t.Type<FailureRecord> = t.recursion('Failure', () =>
  recordCodec<FailureRecord>(
    'Failure',
    { name: t.string, message: t.string, retryable: t.boolean },
    {
      path: t.string,
      code: t.string,
      status: t.number,
      retryAfterMs: Finite,
      cause: Failure,
      errors: listOf(Failure),
      stack: t.string,
    },
  ),
);

/** Who gave an output. */
export const GivenBy: t.Type<GivenByRecord> = guard('who gave an output', isGivenBy);

/** What work has cost. */
export const Usage: t.Type<UsageRecord> = recordCodec<UsageRecord>(
  'Usage',
  {},
  { tokens: Finite, usd: Finite },
);

/** What a step has changed of a shared state. */
export const SharedPatches: t.Type<readonly SharedPatch[]> = listOf(
  recordCodec<SharedPatch>(
    'SharedPatch',
    {
      op: oneOf<SharedPatch['op']>({ add: true, remove: true, replace: true }),
      path: listOf(t.union([t.string, Count])),
    },
    { value: Json },
  ),
);

const kinds: Readonly<Record<AgentKind, true>> = {
  function: true,
  operator: true,
  chain: true,
  workflow: true,
  each: true,
  branch: true,
  loop: true,
  fallback: true,
  firstOf: true,
  saga: true,
  approval: true,
  sleep: true,
};

/** The declared shape of a run. */
export const Plan: t.Type<PlanRecord> = listOf(
  recordCodec<PlanStep>(
    'PlanStep',
    { path: t.string, kind: oneOf(kinds), agent: t.string, sources: listOf(t.string) },
    { reads: t.string, version: t.string, result: listOf(t.string) },
  ),
);

/** Who carries out what the plan does not name. */
export const Unplanned: t.Type<Readonly<Record<string, string>>> = t.record(t.string, t.string);

/** A `RunState` as JSON: the steps are an array. */
export interface RunStateJson extends Omit<RunStateRecord, 'steps'> {
  readonly steps: readonly StepResult[];
}

/** The states a run can be in. */
export const Status: t.Type<RunStatus> = oneOf<RunStatus>({
  IDLE: true,
  RUNNING: true,
  SUSPENDED: true,
  COMPLETED: true,
  FAILED: true,
  CANCELLED: true,
});

const stepStatus = oneOf<StepStatus>({
  PENDING: true,
  RUNNING: true,
  SUSPENDED: true,
  COMPLETED: true,
  FAILED: true,
  SKIPPED: true,
});

const orNull = <T>(codec: t.Type<T>): t.Type<T | null> => t.union([codec, t.null]);

/** What a run is found by besides its name. */
export const Tags: t.Type<Readonly<Record<string, string>>> = guard(
  'tags',
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    // Not what would come back as a text, such as a date.
    Object.prototype.toString.call(value) === '[object Object]' &&
    typeof (value as { readonly toJSON?: unknown }).toJSON !== 'function' &&
    Object.values(value).every((tag) => typeof tag === 'string'),
);

/** One row of the step table. */
export const Step: t.Type<StepResult> = recordCodec<StepResult>(
  'StepResult',
  {
    stepId: t.string,
    agent: t.string,
    status: stepStatus,
    duration: Finite,
    error: orNull(Failure),
    timestamp: orNull(t.string),
    attempts: Count,
  },
  {
    input: Json,
    output: Json,
    givenBy: GivenBy,
    contained: t.literal(true),
    partials: Count,
    kept: listOf(Json),
    critical: t.boolean,
    crashes: Count,
    crashedAlone: Count,
    alone: t.boolean,
    updates: SharedPatches,
    updated: t.string,
    shared: Json,
    sharedInitial: Json,
    cached: t.boolean,
    inherited: t.literal(true),
    seq: Count,
    revision: Count,
    inputHash: t.string,
    limitKey: t.string,
    request: Json,
    deadline: Moment,
    asking: t.string,
    signal: t.string,
    signalIds: listOf(t.string),
    asked: Count,
    limitAt: Moment,
    abandoned: t.literal(true),
    answer: recordCodec<NonNullable<StepResult['answer']>>(
      'answer',
      { by: oneOf({ answer: true, deadline: true }) },
      { value: Json },
    ),
  },
);

const stateJson: t.Type<RunStateJson> = recordCodec<RunStateJson>(
  'RunState',
  {
    runId: t.string,
    name: t.string,
    status: Status,
    steps: listOf(Step),
    plan: Plan,
    startedAt: Moment,
    life: Count,
    seq: Count,
  },
  {
    incarnation: t.string,
    unplanned: Unplanned,
    died: Count,
    revision: Count,
    used: Usage,
    input: Json,
    output: Json,
    givenBy: GivenBy,
    error: Failure,
    tags: Tags,
    reason: t.string,
    endedAt: Moment,
    duration: Finite,
    worked: Finite,
    resumedAt: Moment,
    shared: Json,
    sharedInitial: Json,
    forkedFrom: recordCodec<NonNullable<RunStateRecord['forkedFrom']>>(
      'forkedFrom',
      { runId: t.string, path: t.string },
      {},
    ),
  },
);

/** How a run stands, as it is read back from a file. Two rows for one step are refused. */
export const RunState: t.Type<RunStateRecord, RunStateJson> = new t.Type<RunStateRecord, RunStateJson>(
  'RunState',
  (value): value is RunStateRecord =>
    typeof value === 'object' && value !== null && 'steps' in value && value.steps instanceof StepTable,
  (value, context) => {
    const json = stateJson.validate(value, context);
    if (isLeft(json)) return json;
    const steps = StepTable.of(json.right.steps.map((step) => Object.freeze(step)));
    if (steps.size !== json.right.steps.length) return t.failure(value, context, 'two rows for one step');
    return t.success(Object.freeze({ ...json.right, steps, input: json.right.input }));
  },
  (state) => ({ ...state, steps: [...state.steps] }),
);

/** What is said about a snapshot besides its name: a plain object. */
export const Metadata: t.Type<SnapshotMetadata> = new t.Type<SnapshotMetadata>(
  'metadata',
  isMetadata,
  (value, context) => (isMetadata(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

/** A snapshot without its body. */
export const SnapshotHead: t.Type<SnapshotSummary> = recordCodec<SnapshotSummary>(
  'Snapshot',
  { snapshotId: t.string, name: t.string, timestamp: t.string, runId: t.string, metadata: Metadata },
  {},
);

function isMetadata(value: unknown): value is SnapshotMetadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Json.is(value);
}
