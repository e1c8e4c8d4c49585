import { InvalidArgumentError } from '../../lib/model/failure';

/**
 * What stands for a function of Node, or of a package that needs Node, where there is none.
 *
 * @internal
 */
export function missing(name: string, from: string): () => never {
  return () => {
    throw new InvalidArgumentError(
      `Cannot call ${name} of ${from}: this is a browser`,
      'keep runs in memoryStore(), and use files, log files and folders in Node alone',
    );
  };
}
