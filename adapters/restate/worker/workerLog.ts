import type { LoggerTransport } from '@restatedev/restate-sdk';

import { agentOf, lifeOf } from '../protocol/serviceNames';
import { cutText } from '../protocol/wireFailure';
import { LONGEST_TEXT } from '../protocol/wireLimits';

/** Loopback needs no signatures; runs are cancelled, servers go away and strangers send what they like as a matter of course. */
const EXPECTED =
  /without validating request signatures|Cancelled|Only those who carry the life out|Premature close|write after end|Cannot take what was sent|Cannot keep the answer|There is no run at|Failed to deserialize input/;
/** A journal does not fit the code that is served now. */
const MISFIT = '(570) Found a mismatch';
/** What the SDK says for every call that is under way when its connection to the server breaks. */
const LOST = /Got abort error from connection|Connection closed|stream has been destroyed/;
const LOUD: ReadonlySet<string> = new Set(['warn', 'error']);
const TOGETHER_MS = 500;

/**
 * What the SDK says of errors and warnings goes to Node's warnings, named `RestateWarning`. When the server goes away, that
 * is one warning and not one for every call that is under way.
 *
 * @param isClosing - Whether this worker itself has ended its connections.
 * @param hasAdmin - Whether it goes on with runs whose journals do not fit the code that is served now; otherwise each is told of once.
 */
export function workerLog(isClosing: () => boolean, hasAdmin: boolean): LoggerTransport {
  const misfits = hasAdmin ? undefined : misfitsTold();
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

  return ({ level, replaying, context }, ...message: readonly unknown[]) => {
    if (!LOUD.has(level)) return;
    const text = message.map((part) => (part instanceof Error ? part.message : String(part))).join(' ');
    if (text.includes(MISFIT)) {
      misfits?.(context);
      return;
    }
    if (replaying) return;
    if (LOST.test(text)) {
      lost += 1;
      timer ??= setTimeout(tellLost, TOGETHER_MS).unref();
    } else if (!EXPECTED.test(text)) process.emitWarning(cutText(text, LONGEST_TEXT), 'RestateWarning');
  };
}

/** Tells of runs that nobody can bring on, those of one agent together, and each once. */
function misfitsTold(): (life: Life | undefined) => void {
  const known = new Set<string>();
  const fresh = new Map<string, string[]>();

  const tell = (): void => {
    for (const [agent, [first = '', ...others]] of fresh) {
      const runs = others.length === 0 ? `Run "${first}"` : `Run "${first}" and ${others.length} others`;
      process.emitWarning(
        `${runs} of "${agent}" cannot go on: the code was replaced, and what is on record does not fit it. Only the admin of the server can let them go on: give a worker admin, or resume() or cancel() them with restateEngine({ ingress, admin })`,
        'RestateWarning',
      );
    }
    fresh.clear();
  };

  return (life) => {
    const agent = agentOf(life?.serviceName ?? '');
    if (agent === undefined || life?.key === undefined || known.size >= MOST_KNOWN) return;
    const name = `${life.serviceName} ${life.key}`;
    if (known.has(name)) return;
    known.add(name);
    if (fresh.size === 0) setTimeout(tell, TOGETHER_MS).unref();
    const { runId } = lifeOf(life.key);
    const others = fresh.get(agent);
    if (others === undefined) fresh.set(agent, [runId]);
    else others.push(runId);
  };
}

/** The life that a message of the SDK is about. */
interface Life {
  readonly serviceName: string;
  readonly key?: string | undefined;
}

const MOST_KNOWN = 10_000;
