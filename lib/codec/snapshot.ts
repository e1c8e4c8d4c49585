import * as t from 'io-ts';

import type { SnapshotMetadata, SnapshotSummary } from '../model/snapshot';
import { Json } from './plain';
import { record } from './record';

/** What is said about a snapshot besides its name: a plain object. */
export const Metadata: t.Type<SnapshotMetadata> = new t.Type<SnapshotMetadata>(
  'metadata',
  isMetadata,
  (value, context) => (isMetadata(value) ? t.success(value) : t.failure(value, context)),
  t.identity,
);

/** A snapshot without its body. */
export const SnapshotHead: t.Type<SnapshotSummary> = record<SnapshotSummary>(
  'Snapshot',
  { snapshotId: t.string, name: t.string, timestamp: t.string, runId: t.string, metadata: Metadata },
  {},
);

function isMetadata(value: unknown): value is SnapshotMetadata {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Json.is(value);
}
