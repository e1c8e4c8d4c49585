/**
 * Runs past one machine: the same agents on a Restate server and any number of workers.
 *
 * @packageDocumentation
 */
export { DefinitionNotServedError } from './restateErrors';
export { EngineUnreachableError } from './restateErrors';
export { restateEngine } from './client/restateEngine';
export type { RestateEngine, RestateEngineOptions } from './client/restateEngine';
export { NotOnRestateError } from './restateErrors';
export { RunStalledError } from './restateErrors';
export type { ServedRunSummary } from './client/listRuns';
export { register, serveRestate } from './worker/serveRestate';
export type { RestateWorker, ServeOptions } from './worker/serveRestate';
export type { Placement } from './worker/serviceOptions';
export { TooManyStepsError } from './restateErrors';
export { WorkerUnreachableError } from './restateErrors';
