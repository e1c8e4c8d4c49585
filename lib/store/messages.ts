import { NotWaitingError, RunEndedError } from '../errors/runErrors';
import { UnknownStepError } from '../errors/stepErrors';
import { UnknownRunError } from '../errors/storageErrors';
import type { AnswerMessage, CancelMessage, RunMessage } from '../model/message';
import type { AgentKind } from '../model/plan';
import type { RunState } from '../model/state';
import type { StepResult } from '../model/stepResult';
import { isOpen, openQuestions } from './summary';

/**
 * A message with the name of what it is meant for, as it is kept until the run hears it: the incarnation of the run, the
 * question that is open or the life that is to be cancelled. An answer to a step that has not asked yet is meant for the first
 * question of that step.
 *
 * @param state - How the run stands when the message is posted.
 * @param at - When that is, epoch milliseconds.
 * @throws UnknownRunError when there is no such run.
 * @throws RunEndedError when the run has completed, or is to be cancelled and has ended in another way.
 * @throws UnknownStepError when the run has no step of this path, and can get none.
 * @throws NotWaitingError when the step does not wait for this answer, and never will.
 */
export function addressMessage(
  runId: string,
  state: RunState | undefined,
  message: RunMessage,
  at: number,
): RunMessage {
  if (state === undefined) throw new UnknownRunError(runId);
  const meant = message.kind === 'cancel' ? addressedCancel(state, message) : addressedAnswer(state, message);
  return { ...meant, at };
}

function addressedCancel(state: RunState, message: CancelMessage): CancelMessage {
  const { runId, incarnation, status, life } = state;
  const isAnother = message.incarnation !== undefined && message.incarnation !== incarnation;
  if (isAnother || hasEnded(status)) throw new RunEndedError('cancel', runId, isAnother ? undefined : status);
  const { reason } = message;
  return {
    ...message,
    ...(reason !== undefined &&
      reason.length > MOST_REASON && { reason: `${reason.slice(0, MOST_REASON)}…` }),
    ...(incarnation !== undefined && { incarnation }),
    // A run that is under way, or was cut off by a crash; of one that rests the next life is meant.
    life: message.life ?? (status === 'RUNNING' ? life : life + 1),
  };
}

/** So many characters of why a run is cancelled are kept: every list of runs has them. */
const MOST_REASON = 2_000;

function hasEnded(status: RunState['status']): boolean {
  return status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';
}

function addressedAnswer(state: RunState, message: AnswerMessage): AnswerMessage {
  const { runId, incarnation, status, steps } = state;
  const { path } = message;
  // Questions of earlier versions have no id, and are listed with an empty one.
  const asking = message.asking === '' ? undefined : message.asking;
  if (status === 'COMPLETED') throw new RunEndedError('answer', runId, status);
  const row = steps.get(path);
  const notWaiting = (): Error =>
    new NotWaitingError(
      runId,
      path,
      openQuestions(state).map(({ stepId }) => stepId),
    );
  if (message.incarnation !== undefined && message.incarnation !== incarnation) throw notWaiting();
  const meant: AnswerMessage = { ...message, ...(incarnation !== undefined && { incarnation }) };
  if (row !== undefined && isOpen(row)) {
    if (asking !== undefined && asking !== row.asking) throw notWaiting();
    return row.asking === undefined ? meant : { ...meant, asking: row.asking };
  }
  const isBegun = row !== undefined && row.status !== 'PENDING' && row.status !== 'RUNNING';
  if (asking !== undefined || isBegun || row?.asked !== undefined) throw notWaiting();
  const kind = state.plan.find((step) => step.path === path)?.kind;
  if (kind !== undefined && kind !== 'approval') throw notWaiting();
  if (kind === undefined && row === undefined && !isPossible(state, path))
    throw new UnknownStepError(runId, path);
  return meant;
}

/** Whether the run may get a step of this path although its plan has none: below one whose steps are decided as it runs. */
function isPossible({ plan }: RunState, path: string): boolean {
  if (plan.length === 0) return true;
  const kinds = new Map(plan.map((step) => [step.path, step.kind]));
  for (let end = path.length - 1; end > 0; end -= 1) {
    if (path[end] !== '/' && path[end] !== '[') continue;
    const kind = kinds.get(path.slice(0, end));
    if (kind !== undefined) return DECIDES.has(kind);
  }
  return false;
}

const DECIDES: ReadonlySet<AgentKind> = new Set<AgentKind>([
  'function',
  'each',
  'branch',
  'loop',
  'fallback',
  'firstOf',
  'saga',
  'approval',
]);

/** Whether a run that stands like this goes on when it hears something. */
export function canHear(status: RunState['status'] | undefined): boolean {
  return status === 'RUNNING' || status === 'SUSPENDED';
}

/** Which life hears a message. */
export interface Hearing {
  readonly incarnation: string | undefined;
  readonly life: number;
  /** The first life that a cancel for this one may name: those in between were cut off by a crash. */
  readonly since: number;
}

/** The hearing of the life that goes on from here. */
export function hearingOf(saved: RunState | undefined, incarnation: string | undefined): Hearing {
  const { status = 'IDLE', life = 0, died = 0 } = saved ?? {};
  return { incarnation, life: life + 1, since: status === 'RUNNING' ? life - died : life + 1 };
}

/**
 * What becomes of a message that is heard: it is taken, waits for a question that has not been asked yet, or is void, because
 * what it was meant for is past.
 *
 * @param row - The step that it names, as it stands now.
 */
export function fateOf(
  message: RunMessage,
  { incarnation, life, since }: Hearing,
  row: StepResult | undefined,
): 'taken' | 'kept' | 'void' {
  // Files of earlier versions name nothing: they are meant for whoever is there.
  if (message.incarnation !== undefined && message.incarnation !== incarnation) return 'void';
  if (message.kind === 'cancel') {
    const { life: meant = life } = message;
    return since <= meant && meant <= life ? 'taken' : 'void';
  }
  const isAsking = row !== undefined && isOpen(row);
  if (message.asking !== undefined) return isAsking && row.asking === message.asking ? 'taken' : 'void';
  if (message.incarnation === undefined) return isAsking ? 'taken' : 'kept';
  const asked = row?.asked ?? (isAsking ? 1 : 0);
  if (asked === 0) return 'kept';
  return asked === 1 && isAsking ? 'taken' : 'void';
}
