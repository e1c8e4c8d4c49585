import type { JsonSchema } from '../../lib/codec/jsonSchema';
import type { ForkPreview } from '../../lib/engine/previewFork';
import type { ActiveAlert, AlertRecord } from '../../lib/metrics/alert';
import type { StreamFigures } from '../../lib/metrics/metricsReport';
import type { WorkflowStats } from '../../lib/metrics/workflowMetrics';
import type { LogLevel, RunEvent } from '../../lib/model/event';
import type { ErrorRecord, Failure } from '../../lib/model/failure';
import type { Plan, PlanDiff } from '../../lib/model/plan';
import type { RunState, RunStatus } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import type { RunSummary } from '../../lib/store/store';
import type { StreamSummary } from '../../lib/store/streamRest';

/*
 * What goes over the wire, as plain JSON. Every route is relative to the place where the API is mounted; `?store=` names one of
 * several stores, the first when left out. Whatever goes out is without secrets, texts of steps and tags included.
 *
 * An answer with another status than 2xx has an `ErrorReply` as its body.
 */

/** Body of every answer that says no. */
export interface ErrorReply {
  /** Why. */
  readonly error: ErrorRecord;
}

/** What whoever asks may do. */
export type Access = 'read' | 'write';

/** Routes that a place for runs does not have answer 501 `NOT_ON_ENGINE`. */
export type Ability =
  | 'start'
  | 'answer'
  | 'cancel'
  | 'resume'
  | 'fork'
  | 'delete'
  | 'export'
  | 'import'
  | 'changes'
  | 'signal'
  | 'streams';

/** A place where runs rest. */
export interface StoreInfo {
  /** What `?store=` takes. */
  readonly name: string;
  readonly kind: 'store' | 'engine';
  /** What the command line takes as `--store`; absent where it is in no folder. */
  readonly folder?: string;
  /** Whether somebody carries out what is asked for, and goes on with runs by itself. */
  readonly isServed: boolean;
  /** How many runs wait to be begun. */
  readonly queued: number;
  /** What it can do at all, whoever asks. */
  readonly abilities: readonly Ability[];
  /** Why it cannot be read now; the rest is then empty. */
  readonly error?: ErrorRecord;
}

/** `GET /stores` */
export interface StoresReply {
  /** In the order in which they were given. */
  readonly stores: readonly StoreInfo[];
  /** What whoever asks may do. */
  readonly access: Access;
  /** Names of the agents that are known here. */
  readonly agents: readonly string[];
  /** What is firing, where the metrics are those of a monitor that is at work. */
  readonly alerts: readonly ActiveAlert[];
  /** Epoch milliseconds by the clock of the server. */
  readonly now: number;
}

/** A run that cannot be read. */
export interface DamagedRun {
  /** The id of the run. */
  readonly runId: string;
  /** Absent where not even that can be read. */
  readonly name?: string;
  /** Why it cannot be read. */
  readonly error: ErrorRecord;
}

/**
 * `GET /runs?status=FAILED,SUSPENDED&name=&since=&failedStep=&tag=customer:42&q=&limit=&cursor=`
 *
 * `since` is epoch milliseconds or ISO 8601, `tag` may come several times, `q` is looked for in ids, names, failed steps, errors
 * and tags. At most `limit` runs, 50 when left out, 500 at most.
 */
export interface RunsReply {
  /** Newest first. */
  readonly runs: readonly RunSummary[];
  /** Runs of this page that cannot be read, with why. They are in no count. */
  readonly damaged: readonly DamagedRun[];
  /** How many runs fit everything but `status`, by status. */
  readonly counts: Readonly<Record<RunStatus, number>>;
  /** How many runs fit. */
  readonly total: number;
  /** What `?cursor=` takes to go on behind the last run; absent at the end. */
  readonly next?: string;
  /** Epoch milliseconds by the clock of the server. */
  readonly now: number;
}

/** Takes the place of a value above 64 kB; `GET /runs/:id/values` gives the value. */
export interface CutValue {
  /** Where the value is. */
  readonly $at: {
    /** Of the step; empty for the run itself. */
    readonly path: string;
    /** Which value. */
    readonly of: ValueKind;
    /** The kept event that has it; absent where the state of the run has it. */
    readonly offset?: number;
  };
  /** Length of its JSON in UTF-8. */
  readonly bytes: number;
  /** The beginning of its JSON. */
  readonly preview: string;
}

/** Which value of a step, or of the run. */
export type ValueKind = 'input' | 'output' | 'error' | 'request' | 'answer' | 'data' | 'kept';

/** A question that is open. */
export interface WaitingQuestion {
  /** Of the step that asks. */
  readonly path: string;
  /** Give it back with the answer. Empty for a question of an earlier release, and on an engine. */
  readonly asking: string;
  /** Epoch milliseconds. */
  readonly dueAt?: number;
  /** What is to be decided on. */
  readonly request?: unknown;
  /** What an answer looks like, where the agent is known and its codec can say. */
  readonly schema?: JsonSchema;
}

/** Whether the definition at hand is the one that the run began with. */
export type DefinitionCheck =
  /** No agent of this name is known here. */
  | { readonly is: 'unknown' }
  | { readonly is: 'same' }
  /** A resume is refused with `DEFINITION_MISMATCH` unless `onMismatch` says otherwise. */
  | { readonly is: 'changed'; readonly diff: PlanDiff; readonly unplanned: readonly string[] };

/** Something that can be done with a run now. */
export interface NextStep {
  /** What can be done. */
  readonly action: 'answer' | 'cancel' | 'resume' | 'fork' | 'wait';
  /** Of the step that it is about. */
  readonly path?: string;
  /** Of the question that it is about. */
  readonly asking?: string;
  /** One sentence. */
  readonly text: string;
  /** The same as a command; absent where the runs do not rest in a folder, which is all that commands reach. */
  readonly command?: string;
}

/** `GET /runs/:id` */
export interface RunReply {
  /** Its line in the list. */
  readonly run: RunSummary;
  /** The steps that its definition declares. */
  readonly plan: Plan;
  /** Who carries out the steps that the plan does not name. */
  readonly unplanned?: Readonly<Record<string, string>>;
  /** Whether it is still the one at hand. */
  readonly definition: DefinitionCheck;
  /** The questions that are open. */
  readonly waiting: readonly WaitingQuestion[];
  /** The most useful first. */
  readonly next: readonly NextStep[];
  /** Whether events are kept of it: otherwise `GET /runs/:id/state` is all there is. */
  readonly hasEvents: boolean;
  /** What it was given. */
  readonly input: unknown;
  /** What it gave; present when it completed. */
  readonly output?: unknown;
  /** Why its latest life failed. */
  readonly error?: Failure;
  /** An id that no other run has, also when `runId` is used again. */
  readonly incarnation?: string;
  /** Number of the latest event that is part of the state. */
  readonly seq: number;
  /** Whether somebody goes on with the runs of this store by itself. */
  readonly isServed: boolean;
  /** Epoch milliseconds by the clock of the server. */
  readonly now: number;
}

/** `GET /runs/:id/state`: how the run stands, with its steps in the order of first mention. */
export type StateReply = Omit<RunState, 'steps' | 'seq'> & {
  /** Number of the latest event that is part of it. */
  readonly seq: number;
  /** How each of its steps stands. */
  readonly steps: readonly StepResult[];
};

/**
 * `GET /runs/:id/events?after=&live=1`: a line of NDJSON (with `Accept: application/x-ndjson`), or the `data` of an event of SSE,
 * whose `id` is the offset and, behind a dot, which run of its id is meant: to go on with it when it has been deleted gives `end`, with
 * `gone`. `Last-Event-ID`, such an `id` or an offset, wins over `after`. Folded with `reduceRun` they give the state. Values above 64 kB
 * are a `CutValue`.
 *
 * SSE has further events: `end` (`EndOfEvents`) before it closes, and `fault` (`ErrorReply`) when it cannot go on. Close the
 * `EventSource` on both: it would connect again.
 */
export interface EventLine {
  /** Counts the kept events of a run from 1, without gaps. */
  readonly offset: number;
  /** What happened. */
  readonly event: RunEvent;
}

/** Data of the SSE event `end`. */
export interface EndOfEvents {
  /** `rest`: nothing is under way. `gone`: the run was forgotten. */
  readonly why: 'rest' | 'gone';
}

/**
 * `GET /changes`: SSE. `ready` (no data) says that changes are told from now on, also after a reconnect: list the runs then.
 * `run` has a `RunSummary`, `gone` a `GoneRun`, `fault` an `ErrorReply`.
 */
export interface GoneRun {
  /** The id of the run. */
  readonly runId: string;
}

/**
 * `GET /runs/:id/values?path=&of=output&offset=&limit=`
 *
 * `limit` is bytes of the text, 65,536 when left out, 5 MiB at most; with `raw=1` the whole JSON comes as a file.
 */
export interface ValueReply {
  /** Of the step; empty for the run itself. */
  readonly path: string;
  /** Which value. */
  readonly of: ValueKind;
  /** Length of its JSON in UTF-8. */
  readonly bytes: number;
  /** The JSON, or its beginning. */
  readonly text: string;
  /** Whether that is not all of it. */
  readonly isCut: boolean;
}

/** Body of `POST /runs`. The header `Idempotency-Key` makes the id of the run where `runId` is left out. */
export interface StartRequest {
  /** Name of an agent that is known here. */
  readonly agent: string;
  /** Checked by its codec before it is accepted. */
  readonly input?: unknown;
  /** Names the run: the same name and input are the same run. */
  readonly runId?: string;
  /** What it is listed under. */
  readonly tags?: Readonly<Record<string, string>>;
  /** Larger is earlier; 0 when left out. */
  readonly priority?: number;
  /** How long it waits at least, in milliseconds. */
  readonly delayMs?: number;
}

/** 202, or 200 where the run was known. */
export interface StartReply {
  /** The id of the run. */
  readonly runId: string;
  /** `known`: a run of this id waits already, has begun, or has ended; nothing was changed. */
  readonly became: 'queued' | 'known';
  /** Whether somebody begins it; otherwise it waits until somebody serves. */
  readonly isServed: boolean;
}

/** Body of `POST /runs/:id/answer`. */
export interface AnswerBody {
  /** Of the step that asks. */
  readonly path: string;
  /** Of the question that is meant. */
  readonly asking: string;
  /** The answer. */
  readonly value: unknown;
}

/** 200 when it is taken, 202 when it is kept for whoever goes on with the run. */
export interface AnswerReply {
  /** The question that it answers. */
  readonly asking?: string;
  /** `taken`: the step has it. `kept`: it waits for whoever carries the run on, who checks it. */
  readonly became: 'taken' | 'kept';
  /** Whether somebody is there who goes on with the run by itself. */
  readonly isServed: boolean;
}

/** Body of `POST /runs/:id/cancel`; 202. */
export interface CancelBody {
  /** Why. */
  readonly reason?: string;
}

/** The cancel is kept until the run hears it. */
export interface CancelReply {
  /** Whether somebody is there who goes on with a run that waits. */
  readonly isServed: boolean;
}

/** Body of `POST /signals/:name`; 202. */
export interface SignalBody {
  /** What it says; plain JSON. */
  readonly value?: unknown;
  /** After so many milliseconds no run takes it any more; kept until one does when left out. */
  readonly ttlMs?: number;
}

/** The signal is kept until a run takes it that waits for it. */
export interface SignalReply {
  /** Made by the store. */
  readonly signalId: string;
  /** Whether somebody is there who goes on with a run that waits for it. */
  readonly isServed: boolean;
}

/** Body of `POST /runs/:id/resume`: `{}`. 202 as soon as whoever serves has accepted it; its events tell the rest. */
export interface ResumeReply {
  /** The id of the run. */
  readonly runId: string;
  /** `done`: it has come to rest already. */
  readonly stage: 'accepted' | 'done';
}

/** Body of `POST /runs/:id/fork`. */
export interface ForkBody {
  /** The step to begin with; every failed one when left out. */
  readonly from?: string;
  /** Another input; the same when left out. Checked by the codec of the agent where that is known. */
  readonly input?: unknown;
  /** The id of the new run; a new one when left out. */
  readonly runId?: string;
  /** Only tells what it would do; nothing is changed. */
  readonly dryRun?: boolean;
  /** Asks whoever serves to begin it. */
  readonly resume?: boolean;
}

/** Answer to `dryRun: true`. */
export interface ForkPreviewReply extends ForkPreview {
  /** Whether the definition at hand is the one that the run began with. */
  readonly definition: DefinitionCheck;
  /** Whether the input was checked: false where the agent is not known. */
  readonly inputChecked: boolean;
  /** Whether somebody is there who can begin it. */
  readonly isServed: boolean;
}

/** 201 */
export interface ForkReply {
  /** The id of the new run. */
  readonly runId: string;
  /** Whether it was begun. */
  readonly isResumed: boolean;
  /** Why it was not, although that was asked for. */
  readonly error?: ErrorRecord;
}

/** Body of `POST /runs/:id/delete`: what goes with it. */
export interface DeleteBody {
  /** Answers that it has left in the cache for other runs; true when left out. */
  readonly cache?: boolean;
  /** Snapshots of it; false when left out. */
  readonly snapshots?: boolean;
  /** Execution logs of it; false when left out. */
  readonly logs?: boolean;
}

/** What was forgotten. */
export interface DeleteReply {
  /** The id of the run. */
  readonly runId: string;
}

/** A line that a step has written. */
export interface LogLineReply {
  /** Of the kept event. */
  readonly offset: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Number of the journaled event before it. */
  readonly seq: number;
  /** How much it matters. */
  readonly level: LogLevel;
  /** Of the step; empty when it concerns the whole run. */
  readonly path: string;
  /** What it says. */
  readonly message: string;
  /** The details. */
  readonly data?: unknown;
}

/** `GET /runs/:id/logs?level=INFO&path=&q=&after=&limit=`: those of this level and above, of this step and below it. */
export interface LogsReply {
  /** In the order in which they were written. */
  readonly lines: readonly LogLineReply[];
  /** What `?after=` takes to go on; absent at the end. */
  readonly next?: number;
}

/** `GET /streams`: the streams that remember, as of their latest records. */
export interface StreamsReply {
  /** By name. */
  readonly streams: readonly StreamSummary[];
  /** Those that cannot be read, with why. */
  readonly damaged: readonly { readonly name: string; readonly error: ErrorRecord }[];
  /** Epoch milliseconds by the clock of the server. */
  readonly now: number;
}

/** `GET /metrics` */
export interface MetricsReply {
  /** Whether the API was given metrics; the rest is empty otherwise. */
  readonly isKept: boolean;
  /** The numbers of each agent that was run. */
  readonly workflows: readonly MeasuredWorkflow[];
  /** How the streams stand that remember. */
  readonly streams: readonly StreamFigures[];
  /** What has fired and not cleared. */
  readonly alerts: readonly ActiveAlert[];
  /** What has fired and cleared lately, oldest first. */
  readonly history: readonly AlertRecord[];
}

/** The numbers of a workflow, with how long the latest took. */
export interface MeasuredWorkflow extends WorkflowStats {
  /** Of its runs, in seconds, oldest first. */
  readonly recent: readonly number[];
  /** Of its agents, by their names. */
  readonly recentOf: Readonly<Record<string, readonly number[]>>;
}

/** `GET /alerts` */
export interface AlertsReply {
  /** Whether the API was given metrics. */
  readonly isKept: boolean;
  /** What has fired and not cleared. */
  readonly active: readonly ActiveAlert[];
}

/** An agent that is known here. */
export interface AgentInfo {
  /** Its name. */
  readonly name: string;
  /** The steps that it declares. */
  readonly plan: Plan;
  /** Text of its diagram. */
  readonly mermaid: string;
  /** JSON Schema of its input, where its codec can say. */
  readonly input?: JsonSchema;
  /** The questions it may ask, as far as they are known. */
  readonly questions: readonly { readonly path: string; readonly schema?: JsonSchema }[];
}

/** `GET /agents` */
export interface AgentsReply {
  /** In the order in which they were given. */
  readonly agents: readonly AgentInfo[];
}

/** `POST /import`: 201. */
export interface ImportReply {
  /** The id that it has here. */
  readonly runId: string;
}
