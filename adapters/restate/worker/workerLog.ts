import type { LoggerTransport } from '@restatedev/restate-sdk';

import { cutText } from '../protocol/wireFailure';
import { LONGEST_TEXT } from '../protocol/wireLimits';

/** Loopback needs no signatures; runs are cancelled, servers go away and strangers send what they like as a matter of course. */
const EXPECTED =
  /without validating request signatures|Cancelled|Only those who carry the life out|Premature close|write after end|Cannot take what was sent|Cannot keep the answer|There is no run at|Failed to deserialize input|\(570\) Found a mismatch/;
/** What the SDK says for every call that is under way when its connection to the server breaks. */
const LOST = /Got abort error from connection|Connection closed|stream has been destroyed/;
const LOUD: ReadonlySet<string> = new Set(['warn', 'error']);
const TOGETHER_MS = 500;

/**
 * What the SDK says of errors and warnings goes to Node's warnings, named `RestateWarning`. When the server goes away, that
 * is one warning and not one for every call that is under way.
 *
 * @param isClosing - Whether this worker itself has ended its connections.
 */
export function workerLog(isClosing: () => boolean): LoggerTransport {
  let lost = 0;
  let timer: NodeJS.Timeout | undefined;

  const tellLost = (): void => {
    timer = undefined;
    if (isClosing()) return;
    process.emitWarning(
      `The server has gone, or waited too long for an agent (abortTimeoutMs), with ${lost} calls under way here; it asks for them again`,
      'RestateWarning',
    );
    lost = 0;
  };

  return ({ level, replaying }, ...message: readonly unknown[]) => {
    if (replaying || !LOUD.has(level)) return;
    const text = message.map((part) => (part instanceof Error ? part.message : String(part))).join(' ');
    if (LOST.test(text)) {
      lost += 1;
      timer ??= setTimeout(tellLost, TOGETHER_MS).unref();
    } else if (!EXPECTED.test(text)) process.emitWarning(cutText(text, LONGEST_TEXT), 'RestateWarning');
  };
}
