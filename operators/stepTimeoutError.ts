/** An attempt of a step took longer, or was silent for longer, than its policy allows. */
export class StepTimeoutError extends Error {
  override readonly name = 'StepTimeoutError';
  readonly path: string;
  readonly limitMs: number;

  constructor(path: string, limitMs: number, kind: 'timeoutMs' | 'idleTimeoutMs') {
    const what = kind === 'timeoutMs' ? 'no answer' : 'no partial result';
    super(`Cannot wait for step "${path}" any longer: ${what} within ${String(limitMs)} ms (${kind})`);
    this.path = path;
    this.limitMs = limitMs;
  }
}
