/** Goes on at once, or when the Promise has settled; how it settled concerns the store, which has told it before. */
export function afterwards(done: void | Promise<void>, then: () => void | Promise<void>): void {
  if (done === undefined) void then();
  else
    void done
      .then(then, (error: unknown) => {
        reportUnheard(error);
        return then();
      })
      .catch(reportUnheard);
}

/** For a failure that no subscriber is left to hear of. */
export function reportUnheard(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
