/**
 * Agents in threads: work that keeps a core busy, beside the one that everything else runs on.
 *
 * @packageDocumentation
 */
export { inWorker, threadPool } from './inWorker';
export type { InWorkerOptions } from './inWorker';
export type { ThreadContext } from './thread';
