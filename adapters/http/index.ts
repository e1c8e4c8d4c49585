/**
 * Runs over HTTP: what a page, a script or another service asks of a store, as a handler for any server.
 *
 * @packageDocumentation
 */
export type * from './contract';
export type { HttpApi, HttpApiOptions } from './httpApi';
export { httpApi } from './httpApi';
export type { HttpRefusalCode } from './httpRefusal';
export { HttpRefusal } from './httpRefusal';
export type { AnyAgent, ShowingEngine } from './runPlace';
export type { Redact } from './shown';
