/**
 * What an author of a store needs: the port, the events and states that it keeps, and how the one becomes the other.
 *
 * @packageDocumentation
 */
export { initialState } from './lib/definition/definition';
export type { InputOf } from './lib/model/agentType';
export type {
  LogLevel,
  RunCancelled,
  RunCompleted,
  RunEvent,
  RunFact,
  RunFailed,
  RunImported,
  RunResumed,
  RunStarted,
  RunSuspended,
  StepAnswered,
  StepCancelled,
  StepCompleted,
  StepEmitted,
  StepFailed,
  StepLogged,
  StepRetrying,
  StepSkipped,
  StepStarted,
  StepSuspended,
  Transition,
} from './lib/model/event';
export { isEnd, isJournaled } from './lib/model/event';
export type { ExecutionLog, LogRest, LogSummary, LoggedStep } from './lib/model/executionLog';
export type { Failure } from './lib/model/failure';
export type { AnswerMessage, CancelMessage, RunMessage } from './lib/model/message';
export { toFailure } from './lib/model/failure';
export type { AgentKind, Plan, PlanDiff, PlanStep } from './lib/model/plan';
export { reduceRun, refusal } from './lib/model/reduce';
export { isSecretKey } from './lib/model/secrets/secretNames';
export type { Snapshot, SnapshotMetadata, SnapshotPolicy, SnapshotSummary } from './lib/model/snapshot';
export type { RunState, RunStatus } from './lib/model/state';
export type { StepResult, StepStatus } from './lib/model/stepResult';
export { StepTable } from './lib/model/stepTable';
export type { AnswerCache, KeptAnswer } from './lib/store/answerCache';
export type { ArchivedRun } from './lib/store/runArchive';
export { exportRun, importRun, unpackRun } from './lib/store/runArchive';
export type { Durability } from './lib/store/durability';
export type { LowdbStoreOptions } from './lib/store/folder/lowdbStore';
export type { MemoryStoreOptions } from './lib/store/memory/memoryStore';
export type { LeftOut } from './lib/store/salvage/leftOut';
export type {
  Attendance,
  Attendant,
  Claim,
  Forgetting,
  PruneLimits,
  QueuedRun,
  QueuedTurn,
  ReceivedMessage,
  RequestProgress,
  EventsOptions,
  KeptEvent,
  KeptEvents,
  RunChange,
  RunQuery,
  RunQueue,
  RunRest,
  RunSummary,
  SnapshotStore,
  Store,
  StoreRequest,
} from './lib/store/store';
export { addressMessage } from './lib/store/messages';
export type { KeptSignal, NewSignal, SignalBox, SignalRest } from './lib/store/signalRest';
export type {
  RowChange,
  RowPatch,
  SavedStream,
  StreamChange,
  StreamClaim,
  StreamQuery,
  StreamRest,
  StreamSummary,
} from './lib/store/streamRest';
