import type { RunEvent } from '../../../lib/model/event';
import type { Failure } from '../../../lib/model/failure';
import type { RunStatus } from '../../../lib/model/state';
import type { StepResult } from '../../../lib/model/stepResult';

/** Begins one life of a run. */
export interface StartRequest {
  readonly runId: string;
  readonly life: number;
  /** Epoch milliseconds at which it was asked for: the clock of the run begins here. */
  readonly at: number;
  readonly input?: unknown;
  readonly onMismatch: 'refuse' | 'actual';
  /** An id that no other run has, for a run that begins. */
  readonly incarnation?: string;
  /** What only the server and those who carry the life out know: by it they are told from strangers. */
  readonly secret?: string;
  /** Somebody wants the run to end: the life only undoes what sagas have done. */
  readonly isCancelled?: boolean;
  /** Everybody who followed the run has left: the life only stops, and undoes nothing. */
  readonly isLeft?: boolean;
  /** Why, where somebody said. */
  readonly reason?: string;
  /** The lives before this one have broken and left nothing: it begins as the first one does. */
  readonly isAnew?: boolean;
  /** What the run knows already, as a `RunState` in JSON: of a fork, or of a run that began elsewhere. */
  readonly seed?: unknown;
}

/** How a life shall end its run, and why. */
export type Ending = Pick<StartRequest, 'isCancelled' | 'isLeft' | 'reason'>;

/** An event as it is told to whoever follows a run: without what they know, its id and plan, and what they count. */
export type WireEvent = Slim<RunEvent>;

type Slim<E> = E extends { readonly type: 'run.started' }
  ? Omit<E, 'runId' | 'seq' | 'plan'>
  : E extends { readonly type: 'run.resumed' }
    ? Omit<E, 'runId' | 'seq'> & Seeded
    : E extends RunEvent
      ? Omit<E, 'runId' | 'seq'>
      : never;

/** Stands for an event that no message carries: its JSON is told in so many texts beside it. */
export interface LargeEvent {
  readonly type: 'large';
  readonly texts: number;
}

/** Asks for one of these texts, by the position of the event. */
export interface TextRequest {
  readonly position: number;
  readonly index: number;
}

/** Of the event with which the first life of a fork begins. */
export interface Seeded {
  /** The `RunState` before it in JSON, which nobody else has. */
  readonly seed?: unknown;
}

/** How one life ended, with the events that were not told as durable promises, and its last one where the run has not completed. */
export interface LifeResult {
  readonly status: RunStatus;
  /** Index of the first of these events among those of the life. */
  readonly from: number;
  readonly events: readonly WireEvent[];
  /** How many batches of parts there are at least. */
  readonly parts: number;
  /**
   * The run has not come to a rest: the next life begins by itself, at once because this one has called many agents, or when a step
   * wakes.
   */
  readonly goesOn?: boolean;
  /** Why the life never began. */
  readonly refused?: Failure;
  /** Why the life has ended without a result: it was killed, or its handler has failed for good. Never sent. */
  readonly broken?: string;
}

/**
 * How a run stands between its lives: kept from its first rest until it has ended, however long it waits, because the server
 * forgets a life itself some time after its end.
 */
export interface RunRecord {
  /** The latest life that has begun, as far as is known here. */
  readonly life: number;
  readonly status: RunStatus;
  /** Whether that life is over, so that the next may begin. */
  readonly isResting: boolean;
  /** Answers for steps that wait, which no life has used. */
  readonly answers: readonly GivenAnswer[];
  /** In how many texts the state is kept: a message carries only so much. */
  readonly chunks: number;
  /** The run, among those that have had this id. */
  readonly incarnation?: string;
}

/** A record with the first text of the state, a `RunState` in JSON: after the latest life when it is over, otherwise before it. */
export interface ReadRecord extends RunRecord {
  readonly text: string;
  /** That of the lives of the run; only given to the next one. */
  readonly secret?: string;
  /** How the next life shall end the run, where that was asked for when the one before could not end it any more. */
  readonly ending?: Ending;
}

/** What a life leaves behind. */
export interface RestRequest {
  readonly life: number;
  readonly status: RunStatus;
  readonly answers: readonly GivenAnswer[];
  /** The first text of the state. */
  readonly text: string;
  readonly chunks: number;
  readonly incarnation?: string;
  /** Milliseconds after which the next life begins by itself; none when left out. */
  readonly wakesAfterMs?: number;
  /** The same by the clock of the run, epoch milliseconds. */
  readonly wakesAt?: number;
  /** The run has not come to a rest: the next life begins by itself. */
  readonly goesOn?: boolean;
  /** Milliseconds after which nobody wants to go on with the run any more; never when left out. */
  readonly keptForMs?: number;
  /** Somebody wants the run to end: the next life begins at once, and only undoes. */
  readonly isCancelAsked?: boolean;
  /** Everybody who followed the run has left while it was between two lives: the next one begins at once, and only stops. */
  readonly isLeft?: boolean;
  /** Why, where somebody said. */
  readonly cancelReason?: string;
  /** That of the life: the next one has the same, whoever begins it. */
  readonly secret?: string;
}

/** One of several texts that together are a state. */
export interface StateChunk {
  readonly index: number;
  readonly text: string;
}

/** An answer from outside for a step that waits. */
export interface GivenAnswer {
  readonly path: string;
  readonly value?: unknown;
  /** Id of the question that is meant; the first that the step asks when left out. */
  readonly asking?: string;
  /** The run that is meant, among those that have had its id. */
  readonly incarnation?: string;
  /** When it was given, epoch milliseconds. */
  readonly at?: number;
}

/** An answer that a life could not take any more. */
export interface LateAnswer extends GivenAnswer {
  readonly life: number;
}

/** Stands in the inbox of a life behind the last answer that it has taken in. */
export interface Seal {
  readonly isSealed: true;
}

/** What was told beside the journal of a life, once nothing more can be told there. */
export interface SealedParts {
  /** How many batches there are before the seal. */
  readonly batches: number;
  /** Those of their events that are about steps that functions have asked for. */
  readonly nested: readonly SideEvent[];
}

/** Something told while a step is under way, beside the journal of the run: early what the journal will have, or an event of a call. */
export type SideEvent = { readonly index: number; readonly event: RunEvent } | CallEvent;

/** What a call of a function tells: of itself, or of steps that the function has asked for. */
export interface CallEvent {
  /** The same for the same fact told twice. */
  readonly key: string;
  /** The call from which it comes. */
  readonly under: CallId;
  readonly event: RunEvent;
}

/** One execution of a step's function. */
export interface CallId {
  readonly path: string;
  readonly attempt: number;
  /** Differs between two executions of the same attempt, when a worker died in the first. */
  readonly execution: string;
}

/** Asks for what was told from these positions on. */
export interface EventsRequest {
  readonly from: number;
  readonly parts: number;
  /** How long to wait when there is nothing yet, in milliseconds. */
  readonly waitMs: number;
}

/** What was told. */
export interface EventsReply {
  readonly events: readonly (WireEvent | LargeEvent)[];
  readonly parts: readonly SideEvent[];
  /** Positions to ask from next. */
  readonly nextFrom: number;
  readonly nextParts: number;
}

/** Cancels a life; answered with `CancelReply`. */
export interface CancelRequest {
  /** Somebody has asked for it, so sagas undo what they have done; otherwise nobody listens any more. */
  readonly isAsked: boolean;
  /** Why, where somebody said. */
  readonly reason?: string;
}

/** Whether a life has heard that it is cancelled: false when it has not begun, `ended` when followers have been told how the run has ended. */
export type CancelReply = boolean | 'ended';

/** What was asked for a life that may have broken off. */
export interface LifeFate {
  /** Whoever has killed it means to begin another one, which goes on. */
  readonly isReplaced: boolean;
  /** Somebody has asked for the end of the run. */
  readonly isCancelAsked: boolean;
  /** Somebody who followed the run has left. */
  readonly isLeft?: boolean;
  /** Why, where somebody said. */
  readonly reason?: string;
}

/** Tells parts; `hint` is a position from which on there may be room. */
export interface PublishRequest {
  /** That of the life. */
  readonly secret: string;
  readonly hint: number;
  readonly parts: readonly SideEvent[];
}

/** What came of calling an agent's function once, as it stands in the journal. */
export type CallResult = CallReport &
  /** `bailed`: the output is a value that ends what is around the step. */
  (
    | { readonly kind: 'done'; readonly output?: unknown; readonly bailed?: true }
    | { readonly kind: 'failed'; readonly failure: Failure }
    | { readonly kind: 'stopped' }
  );

/** What is said of every call, however it ended. */
export interface CallReport {
  /** Epoch milliseconds of the end. */
  readonly at: number;
  /** How many batches of parts there are at least. */
  readonly told?: number;
  readonly partials?: number;
  readonly kept?: readonly unknown[];
  /** What was not told on the way. */
  readonly tail?: readonly RunEvent[];
  /** Nested steps that have completed, where a saga may have to undo them. */
  readonly below?: readonly NestedResult[];
  /** Nested steps that failed. */
  readonly failedBelow?: readonly string[];
  /** Those of them that the function has heard of. */
  readonly heard?: readonly string[];
}

/** What a step asked for by a function has done. */
export interface NestedResult {
  readonly path: string;
  readonly agent: string;
  readonly output?: unknown;
}

/** A call of an agent's function as an invocation of its own. */
export interface StepRequest {
  readonly runId: string;
  readonly incarnation?: string;
  /** Key of the life to which parts are told. */
  readonly key: string;
  /** That of the life. */
  readonly secret: string;
  readonly path: string;
  readonly attempt: number;
  /** That of the step; 0 when left out. */
  readonly revision?: number;
  /** Whether what is kept below it of another input or agent is dropped; refused when left out. */
  readonly onMismatch?: 'actual';
  /** Position of the agent among all agents of the definition. */
  readonly agent: number;
  /** What earlier lives have left of the steps that its function had asked for. */
  readonly below?: readonly StepResult[];
  readonly input?: unknown;
  readonly timeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly keepPartials: boolean;
}
