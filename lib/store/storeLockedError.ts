/** Another process, or another store object of this one, writes to the same folder. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError';
  readonly retryable = false;
  readonly folder: string;
  readonly pid: number;
  readonly host: string;

  constructor(folder: string, pid: number, host: string, advice: string) {
    super(`Cannot write to store "${folder}": process ${String(pid)} on ${host} is writing to it; ${advice}`);
    this.folder = folder;
    this.pid = pid;
    this.host = host;
  }
}
