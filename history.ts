/**
 * What kept events of a run say: when what ran, what its length depended on, and the same transitions again. Pure functions; no store
 * is needed.
 *
 * @packageDocumentation
 */
export type { ReplayOptions } from './lib/history/replayRun';
export { replay } from './lib/history/replayRun';
export type { StepNode } from './lib/history/stepTree';
export { stepTree } from './lib/history/stepTree';
export type { Span, SpanKind } from './lib/history/timeline';
export { criticalPath, timeline } from './lib/history/timeline';
