import { monotonicFactory } from 'ulid';

/** Ids that sort by the moment they were made, also within one millisecond. */
export const newRunId: () => string = lazily(() => {
  const next = monotonicFactory();
  return () => next();
});

function lazily(make: () => () => string): () => string {
  let made: (() => string) | undefined;
  return () => (made ??= make())();
}
