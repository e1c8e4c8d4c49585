/**
 * What the events and the states of runs say: when what ran, what its length depended on, the same transitions again, how two moments
 * differ, and what a fork will do. Pure functions; no store is needed.
 *
 * @packageDocumentation
 */
export type { ForkPreview } from './lib/engine/previewFork';
export { previewFork } from './lib/engine/previewFork';
export type { ReplayOptions } from './lib/history/replayRun';
export { replay } from './lib/history/replayRun';
export type { StateDiff, StepChange, ValueChange } from './lib/history/stateDiff';
export { stateDiff } from './lib/history/stateDiff';
export type { StepNode } from './lib/history/stepTree';
export { stepTree } from './lib/history/stepTree';
export type { Span, SpanKind } from './lib/history/timeline';
export { criticalPath, timeline } from './lib/history/timeline';
