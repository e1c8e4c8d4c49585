/**
 * The file system refused something a store needs, such as on a full disk.
 *
 * Nothing acknowledged is lost; the run can be resumed once the cause is gone.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  // Calling the agent once more would not help; resuming the run later does.
  readonly retryable = false;
  readonly file: string;
  /** The code of the system, such as ENOSPC or EACCES; absent when it gave none. */
  readonly code?: string;

  constructor(
    action: string,
    file: string,
    cause: unknown,
    advice = 'resume the run once the cause is gone',
  ) {
    const code = (cause as { readonly code?: unknown } | null | undefined)?.code;
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`Cannot ${action} "${file}": ${why}; ${advice}`, { cause });
    this.file = file;
    if (typeof code === 'string') this.code = code;
  }
}

/** Runs an access to the file system; what it throws becomes a `StorageError`. */
export function storing<T>(action: string, file: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw new StorageError(action, file, error);
  }
}

/** What an access to the file system threw, as a `StorageError`; errors of ours stay as they are. */
export function asStorageError(thrown: unknown, action: string, file: string): unknown {
  const isOfSystem = thrown instanceof Error && thrown.name === 'Error' && 'code' in thrown;
  return isOfSystem ? new StorageError(action, file, thrown) : thrown;
}
