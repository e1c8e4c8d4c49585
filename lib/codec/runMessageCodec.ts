import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import type { AnswerMessage, CancelMessage } from '../model/message';
import { Count, Json, Moment } from './plainCodecs';
import { recordCodec } from './recordCodec';
import { explain } from './validate';

/** An answer as it is read from the inbox. */
export const Answer = recordCodec<AnswerMessage>(
  'answer',
  { kind: t.literal('answer'), path: t.string },
  {
    value: Json,
    incarnation: t.string,
    asking: t.string,
    at: Moment,
    signal: recordCodec<NonNullable<AnswerMessage['signal']>>(
      'signal',
      { signalId: t.string, name: t.string },
      { until: Moment },
    ),
  },
);

/** A cancel as it is read from the inbox. */
export const Cancel = recordCodec<CancelMessage>(
  'cancel',
  { kind: t.literal('cancel') },
  { reason: t.string, incarnation: t.string, life: Count, at: Moment },
);

/** The first thing wrong with a message. */
export function messageFault(value: unknown): string {
  const result = t.union([Answer, Cancel]).decode(value);
  return isLeft(result) ? (explain(result.left)[0] ?? 'no message') : 'no message';
}
