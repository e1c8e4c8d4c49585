/**
 * Tools for testing what is made of agents: fakes, virtual time, orders of events that nobody thought of, and crashes; and for
 * testing stores of your own.
 *
 * @packageDocumentation
 */
export type { ReplayCheck, ReplayDifference, UncheckedStep } from './checkReplay';
export { checkReplay } from './checkReplay';
export * from './crashPoints';
export * from './expectRun';
export * from './explore';
export * from './fakeAgent';
export * from './fakeModel';
export type { Override } from './override';
export { override } from './override';
export * from './recordModel';
export { InterleavingError } from './testingErrors';
export * from './recordingStore';
export { RunNotRecordedError, UnknownPathError } from './testingErrors';
export * from './storeContract';
export { toMarbles } from './toMarbles';
