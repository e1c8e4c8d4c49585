import type { LoggerTransport } from '@restatedev/restate-sdk';

import { agentOf, lifeOf } from '../protocol/serviceNames';
import { cutText } from '../protocol/wireFailure';
import { LONGEST_TEXT } from '../protocol/wireLimits';

/** Loopback needs no signatures; runs are cancelled, answered too late, servers go away and strangers send what they like as a matter of course. */
const EXPECTED =
  /without validating request signatures|Cancelled|Only those who carry the life out|Premature close|write after end|Cannot take what was sent|Cannot keep the answer|nobody takes an answer|nothing more is told of it|There is no run at|Failed to deserialize input/;
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
 * Of other calls each is, in any case: nobody goes on with them.
 */
export function workerLog(isClosing: () => boolean, hasAdmin: boolean): LoggerTransport {
  const lives = toldTogether(livesText);
  const calls = toldTogether(callsText);
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

  const tellMisfit = (call: Call): void => {
    const { serviceName, handlerName, key = '' } = call;
    const agent = agentOf(serviceName);
    if (agent === undefined || handlerName !== 'run')
      calls(call, `"${handlerName}" of ${serviceName}`, call.invocationId);
    else if (!hasAdmin) lives(call, agent, lifeOf(key).runId);
  };

  return ({ level, replaying, context }, ...message: readonly unknown[]) => {
    if (!LOUD.has(level)) return;
    const text = message.map((part) => (part instanceof Error ? part.message : String(part))).join(' ');
    if (text.includes(MISFIT) && context !== undefined) {
      tellMisfit(context);
      return;
    }
    if (replaying) return;
    if (LOST.test(text)) {
      lost += 1;
      timer ??= setTimeout(tellLost, TOGETHER_MS).unref();
    } else if (!EXPECTED.test(text)) process.emitWarning(cutText(text, LONGEST_TEXT), 'RestateWarning');
  };
}

/** Tells of a call by its name among those of its group. */
type TellOf = (call: Call, group: string, name: string) => void;

/** Tells of calls that nobody can bring on, those of one group together, and each once. */
function toldTogether(textOf: (group: string, first: string, others: number) => string): TellOf {
  const known = new Set<string>();
  const fresh = new Map<string, string[]>();

  const tell = (): void => {
    for (const [group, [first = '', ...others]] of fresh)
      process.emitWarning(textOf(group, first, others.length), 'RestateWarning');
    fresh.clear();
  };

  return ({ invocationId }, group, name) => {
    if (known.size >= MOST_KNOWN || known.has(invocationId)) return;
    known.add(invocationId);
    if (fresh.size === 0) setTimeout(tell, TOGETHER_MS).unref();
    const others = fresh.get(group);
    if (others === undefined) fresh.set(group, [name]);
    else others.push(name);
  };
}

const REPLACED =
  'cannot go on: the code was replaced, of the agent or of Millrace, and what is on record does not fit it';

function livesText(agent: string, first: string, others: number): string {
  const runs = others === 0 ? `Run "${first}"` : `Run "${first}" and ${others} others`;
  return `${runs} of "${agent}" ${REPLACED}. Only the admin of the server can let them go on: give a worker admin, or resume() or cancel() them with restateEngine({ ingress, admin })`;
}

/** What a run has asked for, or was asked: no other life of it begins that again. */
function callsText(handler: string, first: string, others: number): string {
  const calls = others === 0 ? `Call ${first}` : `Call ${first}, with ${others} others`;
  return `${calls} of ${handler} ${REPLACED}. Serve it with the version of Millrace with which it began, or end it: PATCH /invocations/${first}/kill of the server's admin`;
}

/** The call that a message of the SDK is about. */
interface Call {
  readonly invocationId: string;
  readonly serviceName: string;
  readonly handlerName: string;
  readonly key?: string | undefined;
}

const MOST_KNOWN = 10_000;
