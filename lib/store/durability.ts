import { typeName } from '../codec/typeName';
import { InvalidArgumentError } from '../model/failure';

/**
 * What an acknowledged step survives. Named by where its record is:
 *
 * - `disk`: on the disk. Survives a power loss.
 * - `process`: handed to the system. Survives `kill -9`; a power loss may take the latest steps.
 * - `end`: in memory until its life ends. A crash takes the whole life.
 */
export type Durability = 'disk' | 'process' | 'end';

/**
 * Refuses what is none, such as a misspelt setting: the weakest promise must not be taken for it in silence.
 *
 * @throws InvalidArgumentError
 */
export function checkDurability(durability: unknown): void {
  if (durability === 'disk' || durability === 'process' || durability === 'end') return;
  throw new InvalidArgumentError(
    `Cannot make a store with the durability ${typeof durability === 'string' ? `"${durability}"` : typeName(durability)}`,
    "give 'disk', 'process' or 'end'",
  );
}
