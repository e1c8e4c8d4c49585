/**
 * Millrace: agent workflows as RxJS operators, with runs that resume from where they stood.
 *
 * @packageDocumentation
 */
export { explain } from './lib/codec/explain';
export * from './lib/codec/stateValueError';
export * from './lib/codec/validate';
export * from './lib/codec/validationError';
export { DefinitionError } from './lib/graph/definitionError';
export { toMermaid } from './lib/graph/draw';
export { pick } from './lib/graph/pick';
export { quorum } from './lib/graph/quorum';
export { settled } from './lib/graph/settled';
export type { Resolved, Source, Wire } from './lib/graph/wire';
export * from './lib/model/agent';
export * from './lib/model/event';
export * from './lib/model/failure';
export * from './lib/model/outcome';
export * from './lib/model/plan';
export * from './lib/model/reduce';
export * from './lib/model/runError';
export * from './lib/model/select';
export * from './lib/model/state';
export * from './lib/model/stepResult';
export * from './lib/model/stepTable';
export * from './lib/model/transition';
export { runSummary } from './lib/report/runSummary';
export { lowdbStore } from './lib/store/lowdb';
export { memoryStore } from './lib/store/memory';
export { RunActiveError } from './lib/store/runActiveError';
export * from './lib/store/store';
export { agent } from './operators/agent';
export { chain } from './operators/chain';
export { execute } from './operators/execute';
export { outcomes } from './operators/outcomes';
export { outputs } from './operators/outputs';
export { run } from './operators/run';
export { runEach } from './operators/runEach';
export { workflow } from './operators/workflow';
