import type { SchedulerLike, Subscriber } from 'rxjs';

import type { Claiming } from '../../../lib/engine/local/claimFor';
import { claimInTurn } from '../../../lib/engine/local/claimFor';
import { reportUnheard } from '../../../lib/engine/local/startTimer';
import { InvalidArgumentError } from '../../../lib/model/failure';
import type { Store } from '../../../lib/store/store';
import type { StreamClaim, StreamSummary } from '../../../lib/store/streamRest';
import type { OnFailed } from './streamSession';
import { StreamSession } from './streamSession';

/** @throws InvalidArgumentError when what is given keeps no streams. */
export function checkStreamStore(name: string, store: Partial<Pick<Store, 'streams'>> | undefined): void {
  if (typeof store?.streams?.claim === 'function') return;
  throw new InvalidArgumentError(
    `Cannot keep stream "${name}": no store is given`,
    "give { store }, such as lowdbStore('./state')",
  );
}

/** Which stream is opened, and how. */
export interface OpenStreamOptions {
  readonly name: string;
  readonly store: Pick<Store, 'streams'>;
  readonly scheduler: SchedulerLike;
  readonly onFailed: OnFailed;
  readonly sources?: number;
  readonly monitor?: StreamMonitor | undefined;
}

/** Who may look at a stream at any time. Any monitor of `createMonitor` fits. */
export interface StreamMonitor {
  /** The stream is under way; what it is asked for later costs nothing until then. */
  watchStream(name: string, stream: { summary(): StreamSummary }): void;
}

/**
 * Claims a stream for a subscriber, who is told when it cannot be claimed or cannot go on. `begin` is called at once where the store
 * answers at once, and later where somebody has left while it was being claimed: once that claim is given back. What comes back ends the
 * session: when everything is written down, or, where `isLeft`, at once.
 */
export function openStream<T>(
  options: OpenStreamOptions,
  subscriber: Subscriber<T>,
  begin: (session: StreamSession) => void,
): (isLeft: boolean) => void {
  let session: StreamSession | undefined;
  let isOver = false;
  const broken = (error: unknown): void => {
    if (!subscriber.closed) subscriber.error(error);
  };
  const release = (open: Pick<StreamSession, 'release'>): void => {
    // Nobody listens any more who could be told.
    open.release()?.catch(reportUnheard);
  };
  const start = (claim: StreamClaim): void => {
    if (isOver) {
      release(claim);
      return;
    }
    session = new StreamSession({ ...options, claim });
    session.onBroken(broken);
    options.monitor?.watchStream(options.name, session);
    begin(session);
  };
  const { streams } = options.store;
  const claiming: Claiming<StreamClaim> = {
    rest: streams,
    id: options.name,
    claim: () => streams.claim(options.name),
    giveBack: (claim) => claim.release(),
  };
  try {
    claimInTurn(claiming, subscriber, start);
  } catch (error) {
    broken(error);
  }
  return (isLeft) => {
    if (isOver) return;
    isOver = true;
    const open = session;
    if (open === undefined) return;
    if (isLeft) release(open);
    else {
      open.releaseWhenIdle(() => {
        release(open);
      });
    }
  };
}

let shared: StreamSession | undefined;

/** The session that sources join which are subscribed to within this call. */
export function sharedSession(): StreamSession | undefined {
  return shared;
}

/** Lets the sources that are subscribed to within this call join a session. */
export function sharing<T>(session: StreamSession, work: () => T): T {
  const before = shared;
  shared = session;
  try {
    return work();
  } finally {
    shared = before;
  }
}

let ending: StreamSession | undefined;

/** The session whose sources have ended, while that is told within this call. */
export function endingSession(): StreamSession | undefined {
  return ending;
}

/** Tells an end: operators that a Subject hides from the source, as behind `share()`, find their session so. */
export function tellingEnd(session: StreamSession, tell: () => void): void {
  const before = ending;
  ending = session;
  try {
    tell();
  } finally {
    ending = before;
  }
}

/** Which source an operator stands behind. */
export interface SourceEnd {
  /** Whether the source has given everything; false where it was only left. */
  readonly hasEnded: boolean;
}

/** An operator that remembers, while it subscribes to what stands before it. */
export interface Attachable {
  /** The stream is open: takes up what is kept. */
  attach(session: StreamSession, source: SourceEnd): void;
  /** All operators are attached: goes on where an earlier life has left off. */
  resume(): void;
}

let subscribing: readonly Attachable[] = [];

/** The operators that subscribe to a source within this call: they stand behind it. */
export function operatorsBehind(): readonly Attachable[] {
  return subscribing;
}

/** Tells the sources that are subscribed to within this call that the operator stands behind them. */
export function subscribingFor(operator: Attachable, work: () => void): void {
  const before = subscribing;
  subscribing = [...before, operator];
  try {
    work();
  } finally {
    subscribing = before;
  }
}

/** Attaches operators, those next to the source first. */
export function attachAll(operators: readonly Attachable[], session: StreamSession, source: SourceEnd): void {
  const nearest = operators.toReversed();
  for (const operator of nearest) operator.attach(session, source);
  for (const operator of nearest) operator.resume();
}
