/** The selector of a `branch` named a case that has no agent. */
export class NoCaseError extends Error {
  override readonly name = 'NoCaseError';
  readonly retryable = false;
  readonly path: string;
  readonly selected: string;

  constructor(path: string, selected: unknown, cases: readonly string[]) {
    const what = typeof selected === 'string' ? `"${selected}"` : typeof selected;
    super(`Cannot choose at step "${path}": there is no case ${what}, only ${cases.join(', ')}`);
    this.path = path;
    this.selected = String(selected);
  }
}
