/**
 * Runs past one machine: the same agents on a Restate server and any number of workers.
 *
 * @packageDocumentation
 */
export { DefinitionNotServedError } from './definitionNotServedError';
export { EngineUnreachableError } from './engineUnreachableError';
export { restateEngine } from './restateEngine';
export type { RestateEngine, RestateEngineOptions } from './restateEngine';
export { RunStalledError } from './runStalledError';
export { register, serveRestate } from './serveRestate';
export type { RestateWorker, ServeOptions } from './serveRestate';
export type { Placement } from './serviceOptions';
export { TooManyStepsError } from './tooManyStepsError';
export { WorkerUnreachableError } from './workerUnreachableError';
