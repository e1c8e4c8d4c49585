/**
 * Millrace: agent workflows as RxJS operators, with runs that resume from where they stood.
 *
 * @packageDocumentation
 */
export { jsonSchemaOf } from './lib/codec/jsonSchema';
export { explain, validate } from './lib/codec/validate';
export { toMermaid } from './lib/definition/toMermaid';
export type { Wire } from './lib/definition/wire';
export { live, pick, quorum, settled } from './lib/definition/wire';
export type { RunOptions, Where } from './lib/engine/runOptions';
export {
  BudgetExceededError,
  DefinitionMismatchError,
  InputMismatchError,
  NotWaitingError,
  RunError,
  ValidationError,
} from './lib/errors/runErrors';
export { RunActiveError, StorageError, StoreLockedError, UnknownRunError } from './lib/errors/storageErrors';
export type { ExecutionHistory } from './lib/history/executionHistory';
export { executionHistory } from './lib/history/executionHistory';
export { memoryHistory } from './lib/history/memoryHistory';
export type { LogEntry } from './lib/log/entry';
export type { Logger } from './lib/log/logger';
export { createLogger } from './lib/log/logger';
export { syncStates } from './lib/log/syncStates';
export { metricsFile } from './lib/metrics/metricsStore';
export type { Monitor } from './lib/metrics/monitor';
export { createMonitor } from './lib/metrics/monitor';
export { openMonitor } from './lib/metrics/openMonitor';
export { above, failureRateOver } from './lib/metrics/ruleConditions';
export type { Agent, OutputOf, RetryPolicy, Services, StepContext, StepPolicy } from './lib/model/agentType';
export { backoff } from './lib/model/backoff';
export type { Bail } from './lib/model/bail';
export { bail } from './lib/model/bail';
export type { RunEvent, Transition } from './lib/model/event';
export type { Failure } from './lib/model/failure';
export { MillraceError, NonRetryableError } from './lib/model/failure';
export { reduceRun } from './lib/model/reduce';
export { chainResults, currentSteps, failedSteps, outputOf } from './lib/model/select';
export type { RunState } from './lib/model/state';
export type { StepResult } from './lib/model/stepResult';
export { bottlenecks } from './lib/report/bottlenecks';
export { runSummary } from './lib/report/runSummary';
export { lowdbStore } from './lib/store/folder/lowdbStore';
export { memoryStore } from './lib/store/memory/memoryStore';
export { salvage } from './lib/store/salvage/salvage';
export type { RunSummary, Store } from './lib/store/store';
export { resumable } from './lib/store/summary';
export type { Live } from './lib/streams/pull';
export type { AgentOptions } from './operators/agents/agent';
export { agent } from './operators/agents/agent';
export { approval } from './operators/agents/approval';
export { branch } from './operators/agents/branch';
export { chain } from './operators/agents/chain';
export { each } from './operators/agents/each';
export { fallback } from './operators/agents/fallback';
export { firstOf } from './operators/agents/firstOf';
export { loop } from './operators/agents/loop';
export { saga } from './operators/agents/saga';
export { sleep } from './operators/agents/sleep';
export { waitFor } from './operators/agents/waitFor';
export { withPolicy } from './operators/agents/withPolicy';
export type { StepBuilder } from './operators/agents/workflow';
export { workflow } from './operators/agents/workflow';
export type { AnswerReceipt } from './operators/runs/answer';
export { answer } from './operators/runs/answer';
export { cancel } from './operators/runs/cancel';
export { execute } from './operators/runs/execute';
export { fork } from './operators/runs/fork';
export type { Outcome } from './operators/runs/outcomes';
export { outcomes } from './operators/runs/outcomes';
export { outputs } from './operators/runs/outputs';
export { paced } from './operators/runs/paced';
export { partials } from './operators/runs/partials';
export { pulled } from './operators/runs/pulled';
export { restore } from './operators/runs/restore';
export { resume } from './operators/runs/resume';
export { run } from './operators/runs/run';
export { runEach } from './operators/runs/runEach';
export { schedule } from './operators/runs/schedule';
export { serve } from './operators/runs/serve';
export { signal } from './operators/runs/signal';
export { submit } from './operators/runs/submit';
export { deduped } from './operators/streams/deduped';
export { fromOffset } from './operators/streams/fromOffset';
export { joined } from './operators/streams/joined';
export { latestBy } from './operators/streams/latestBy';
export { lines } from './operators/streams/lines';
export { scanned } from './operators/streams/scanned';
export { together } from './operators/streams/together';
export type { Window } from './operators/streams/windowed';
export { windowed } from './operators/streams/windowed';
export { alertOn } from './operators/taps/alertOn';
export { budget } from './operators/taps/budget';
export { logTo } from './operators/taps/logTo';
export { measure } from './operators/taps/measure';
export { progress } from './operators/taps/progress';
export { record } from './operators/taps/record';
export { saveTo } from './operators/taps/saveTo';
export { anyOf, critical, everyNth, everyStep, onFailure } from './operators/taps/snapshotPolicies';
export { watch } from './operators/taps/watch';
