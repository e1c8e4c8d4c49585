/**
 * Runs over HTTP: what a page, a script or another service asks of a store, as a handler for any server.
 *
 * @packageDocumentation
 */
export type * from './contract';
export type { HttpApi, HttpApiOptions } from './httpApi';
export { httpApi } from './httpApi';
export type { HttpRequestCode } from './httpRequestError';
export { HttpRequestError } from './httpRequestError';
export { nodeListener } from './nodeListener';
export type { PortGuard, PortGuardOptions } from './portGuard';
export { portGuard } from './portGuard';
export type { AnyAgent, ShowingEngine } from './runPlace';
export type { Redact } from './shown';
