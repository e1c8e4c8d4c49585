/** An execution log has its end, and takes no more. */
export class LogCompletedError extends Error {
  override readonly name = 'LogCompletedError';
  readonly retryable = false;
  readonly logId: string;

  constructor(logId: string, status: string) {
    super(
      `Cannot change execution log "${logId}": it has ended as "${status}"; begin a new one with createLog()`,
    );
    this.logId = logId;
  }
}
