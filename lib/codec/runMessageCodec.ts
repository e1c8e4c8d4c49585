import { isLeft } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import { Json } from './plainCodecs';
import { record } from './recordCodec';
import { explain } from './validate';

/** An answer as it is read from the inbox. */
export const Answer = record<{
  readonly kind: 'answer';
  readonly path: string;
  readonly value: unknown;
  readonly asking?: string;
}>('answer', { kind: t.literal('answer'), path: t.string }, { value: Json, asking: t.string });

/** A cancel as it is read from the inbox. */
export const Cancel = record<{ readonly kind: 'cancel'; readonly reason?: string }>(
  'cancel',
  { kind: t.literal('cancel') },
  { reason: t.string },
);

/** The first thing wrong with a message. */
export function messageFault(value: unknown): string {
  const result = t.union([Answer, Cancel]).decode(value);
  return isLeft(result) ? (explain(result.left)[0] ?? 'no message') : 'no message';
}
