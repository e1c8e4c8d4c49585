/** Nobody has answered in time. */
export class ApprovalTimeoutError extends Error {
  override readonly name = 'ApprovalTimeoutError';
  readonly retryable = false;
  readonly path: string;
  readonly timeoutMs: number;

  constructor(path: string, timeoutMs: number) {
    super(
      `Cannot go on with step "${path}": nobody answered within ${String(timeoutMs)} ms; give an onTimeout`,
    );
    this.path = path;
    this.timeoutMs = timeoutMs;
  }
}
