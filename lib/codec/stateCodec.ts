import type * as t from 'io-ts';

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
import { asCodec, failure, guard, identity, success } from './codec';
import { Count, either, Finite, Flag, Json, listOf, Moment, oneOf, Text, True } from './plainCodecs';
import { recordCodec } from './recordCodec';

/** An error as it is stored. */
export const Failure: t.Type<FailureRecord> = asCodec<FailureRecord>(
  'Failure',
  (value): value is FailureRecord => failureRecord.is(value),
  (value, context) => failureRecord.validate(value, context),
  identity,
);

const failureRecord = recordCodec<FailureRecord>(
  'Failure',
  { name: Text, message: Text, retryable: Flag },
  {
    path: Text,
    code: Text,
    status: guard<number>('number', (value) => typeof value === 'number'),
    retryAfterMs: Finite,
    cause: Failure,
    errors: listOf(Failure),
    stack: Text,
  },
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
      path: listOf(either(Text, Count)),
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
    { path: Text, kind: oneOf(kinds), agent: Text, sources: listOf(Text) },
    { reads: Text, version: Text, result: listOf(Text) },
  ),
);

/** Who carries out what the plan does not name. */
export const Unplanned: t.Type<Readonly<Record<string, string>>> = guard(
  'texts by name',
  (value) =>
    Object.prototype.toString.call(value) === '[object Object]' &&
    Object.values(value as object).every(Text.is),
);

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

const Null = guard<null>('null', (value) => value === null);
const orNull = <T>(codec: t.Type<T>): t.Type<T | null> => either(codec, Null);

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
    stepId: Text,
    agent: Text,
    status: stepStatus,
    duration: Finite,
    error: orNull(Failure),
    timestamp: orNull(Text),
    attempts: Count,
  },
  {
    input: Json,
    output: Json,
    givenBy: GivenBy,
    contained: True,
    partials: Count,
    kept: listOf(Json),
    critical: Flag,
    crashes: Count,
    crashedAlone: Count,
    alone: Flag,
    updates: SharedPatches,
    updated: Text,
    shared: Json,
    sharedInitial: Json,
    cached: Flag,
    inherited: True,
    seq: Count,
    revision: Count,
    inputHash: Text,
    limitKey: Text,
    request: Json,
    deadline: Moment,
    asking: Text,
    signal: Text,
    signalIds: listOf(Text),
    asked: Count,
    limitAt: Moment,
    abandoned: True,
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
    runId: Text,
    name: Text,
    status: Status,
    steps: listOf(Step),
    plan: Plan,
    startedAt: Moment,
    life: Count,
    seq: Count,
  },
  {
    incarnation: Text,
    unplanned: Unplanned,
    died: Count,
    revision: Count,
    used: Usage,
    input: Json,
    output: Json,
    givenBy: GivenBy,
    error: Failure,
    tags: Tags,
    reason: Text,
    endedAt: Moment,
    duration: Finite,
    worked: Finite,
    resumedAt: Moment,
    shared: Json,
    sharedInitial: Json,
    forkedFrom: recordCodec<NonNullable<RunStateRecord['forkedFrom']>>(
      'forkedFrom',
      { runId: Text, path: Text },
      {},
    ),
  },
);

/** How a run stands, as it is read back from a file. Two rows for one step are refused. */
export const RunState: t.Type<RunStateRecord, RunStateJson> = asCodec<RunStateRecord, RunStateJson>(
  'RunState',
  (value): value is RunStateRecord =>
    typeof value === 'object' && value !== null && 'steps' in value && value.steps instanceof StepTable,
  (value, context) => {
    const json = stateJson.validate(value, context);
    if (json._tag === 'Left') return json;
    const steps = StepTable.of(json.right.steps.map((step) => Object.freeze(step)));
    if (steps.size !== json.right.steps.length) return failure(value, context, 'two rows for one step');
    return success(Object.freeze({ ...json.right, steps, input: json.right.input }));
  },
  (state) => ({ ...state, steps: [...state.steps] }),
);

/** What is said about a snapshot besides its name: a plain object. */
export const Metadata: t.Type<SnapshotMetadata> = guard('metadata', isMetadata);

/** A snapshot without its body. */
export const SnapshotHead: t.Type<SnapshotSummary> = recordCodec<SnapshotSummary>(
  'Snapshot',
  { snapshotId: Text, name: Text, timestamp: Text, runId: Text, metadata: Metadata },
  {},
);

function isMetadata(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Json.is(value);
}
