/** What `Promise.withResolvers` gives. */
interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
}

/**
 * Gives Node 20 the `Promise.withResolvers` that it lacks and that the SDK of Restate calls from 1.14.2 on. Imported before
 * the SDK is.
 */
export const hasResolvers: true = addResolvers();

function addResolvers(): true {
  const target = Promise as unknown as { withResolvers?: <T>() => Resolvers<T> };
  target.withResolvers ??= <T>(): Resolvers<T> => {
    let resolve!: Resolvers<T>['resolve'];
    let reject!: Resolvers<T>['reject'];
    const promise = new Promise<T>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return { promise, resolve, reject };
  };
  return true;
}
