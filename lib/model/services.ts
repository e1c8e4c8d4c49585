/**
 * What agents are given besides their input and must never be saved: connections, clients, the keys of a tenant. Say what there is by
 * declaration merging.
 *
 * @example
 * ```ts
 * declare module 'millrace' {
 *   interface Services {
 *     readonly db: Database;
 *   }
 * }
 * ```
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- whoever uses the library says what is in it
export interface Services {}

/** Some of them, as a life of a run is given them. */
export type GivenServices = Partial<Services>;
