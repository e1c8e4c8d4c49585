/** A sync that many may ask for: who asks while one is under way shares the next one, which begins when that has ended. */
export function sharedSync(sync: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    next = undefined;
    const now = sync().finally(() => {
      if (running === now) running = undefined;
    });
    running = now;
    return now;
  };
  // What was done before the call must be on the disk afterwards: a sync that has begun may have missed it.
  return () => (running === undefined ? begin() : (next ??= running.then(begin, begin)));
}
