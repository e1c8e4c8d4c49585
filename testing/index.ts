/**
 * Tools for testing what is made of agents: fakes, virtual time, orders of events that nobody thought of, and crashes; and for
 * testing stores of your own.
 *
 * @packageDocumentation
 */
export * from './crashPoints';
export * from './expectRun';
export * from './explore';
export * from './fakeAgent';
export * from './fakeModel';
export * from './recordModel';
export { InterleavingError } from './testingErrors';
export * from './recordingStore';
export { RunNotRecordedError } from './testingErrors';
export * from './storeContract';
export { toMarbles } from './toMarbles';
