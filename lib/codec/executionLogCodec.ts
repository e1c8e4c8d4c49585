import * as t from 'io-ts';

import type { ExecutionLog as Log, LoggedStep } from '../model/executionLog';
import { Finite, listOf } from './plainCodecs';
import { recordCodec } from './recordCodec';

const Step: t.Type<LoggedStep> = recordCodec<LoggedStep>(
  'LoggedStep',
  { stepName: t.string, status: t.string, duration: Finite, timestamp: t.string },
  {},
);

/** An execution log as it is read back. */
export const ExecutionLog: t.Type<Log> = recordCodec<Log>(
  'ExecutionLog',
  {
    logId: t.string,
    workflowName: t.string,
    startTime: t.string,
    endTime: t.union([t.string, t.null]),
    status: t.string,
    steps: listOf(Step),
  },
  {},
);
