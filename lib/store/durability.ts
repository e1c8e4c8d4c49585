/**
 * What an acknowledged step survives. Named by where its record is:
 *
 * - `disk`: on the disk. Survives a power loss.
 * - `process`: handed to the system. Survives `kill -9`; a power loss may take the latest steps.
 * - `end`: in memory until its life ends. A crash takes the whole life.
 */
export type Durability = 'disk' | 'process' | 'end';
