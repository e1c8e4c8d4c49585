/**
 * Tools for testing what is made of agents: fakes, virtual time, and orders of events that nobody thought of.
 *
 * @packageDocumentation
 */
export * from './expectRun';
export * from './explore';
export * from './fakeAgent';
export { InterleavingError } from './interleavingError';
export * from './storeContract';
export { toMarbles } from './toMarbles';
