import type * as LowModule from './low';
import type { LowAdapter, LowDatabase } from './low';

/** Opens a lowdb database; lowdb is loaded by the first one. */
export function lowDatabase<T>(adapter: Partial<LowAdapter<T>>, data: T): LowDatabase<T> {
  const { read = () => Promise.resolve(null), write = () => Promise.resolve() } = adapter;
  // Not import(): it would look for a built file, which there is none of under ts-node.
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  const { Low } = require('./low') as typeof LowModule;
  return new Low<T>({ read, write }, data);
}
