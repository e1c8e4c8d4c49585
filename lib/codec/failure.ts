import * as t from 'io-ts';

import type { Failure as FailureRecord } from '../model/failure';
import { record } from './record';

/** An error as it is stored. */
export const Failure: t.Type<FailureRecord> = record<FailureRecord>(
  'Failure',
  { name: t.string, message: t.string, retryable: t.boolean },
  { path: t.string },
);
