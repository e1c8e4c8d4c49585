/** There is no snapshot with this id in the store. */
export class UnknownSnapshotError extends Error {
  override readonly name = 'UnknownSnapshotError';
  readonly retryable = false;
  readonly snapshotId: string;

  constructor(snapshotId: string) {
    super(`Cannot find snapshot "${snapshotId}" in the store; snapshots.list() names those that are there`);
    this.snapshotId = snapshotId;
  }
}
