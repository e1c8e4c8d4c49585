/** There is no execution log with this id. */
export class UnknownLogError extends Error {
  override readonly name = 'UnknownLogError';
  readonly retryable = false;
  readonly logId: string;

  constructor(logId: string) {
    super(`Cannot find execution log "${logId}"; listLogs() names those that are there`);
    this.logId = logId;
  }
}
