import type { Subscriber } from 'rxjs';

import type { Claim, RunRest } from '../../store/store';

/** Claims a run for one subscriber, see `claimInTurn`. */
export function claimFor(
  rest: RunRest,
  runId: string,
  subscriber: Subscriber<unknown>,
  begin: (claim: Claim) => void,
): void {
  const claiming: Claiming<Claim> = {
    rest,
    id: runId,
    claim: () => rest.claim(runId),
    giveBack: (one) => one.release(() => one.state),
  };
  claimInTurn(claiming, subscriber, begin);
}

/** What is claimed, how, and how an unused claim is ended. */
export interface Claiming<C> {
  /** The part of a store that gives the claim; ids are compared within it. */
  readonly rest: object;
  /** Its name there. */
  readonly id: string;
  readonly claim: () => C | Promise<C>;
  /** Ends a claim that was never used. */
  readonly giveBack: (claim: C) => void | Promise<void>;
}

/**
 * Claims something for one subscriber. When the subscriber leaves before the claim has come, as while a folder first opens, the claim is
 * given back as it comes; whoever claims the same meanwhile waits for that.
 */
export function claimInTurn<C>(
  claiming: Claiming<C>,
  subscriber: Subscriber<unknown>,
  begin: (claim: C) => void,
): void {
  const isGone = (): boolean => subscriber.closed;
  const take = (): void => {
    if (isGone()) return;
    const claim = claiming.claim();
    if (!(claim instanceof Promise)) {
      begin(claim);
      return;
    }
    let hasCome = false;
    subscriber.add(() => {
      if (!hasCome) giveBackLater(claiming, claim);
    });
    claim
      .then((one) => {
        // Otherwise it is given back.
        if (isGone()) return;
        hasCome = true;
        begin(one);
      })
      .catch(fail);
  };
  const fail = (error: unknown): void => {
    subscriber.error(error);
  };
  const earlier = leaving.get(claiming.rest)?.get(claiming.id);
  if (earlier === undefined) take();
  else earlier.then(take).catch(fail);
}

/** Claims that nobody wants any more and that have not come yet. */
const leaving = new WeakMap<object, Map<string, Promise<void>>>();

function giveBackLater<C>({ rest, id, giveBack }: Claiming<C>, claim: Promise<C>): void {
  const claims = leaving.get(rest) ?? new Map<string, Promise<void>>();
  leaving.set(rest, claims);
  const gone = claim
    .then(async (one) => giveBack(one))
    // Whoever asks next hears of it.
    .catch(() => undefined)
    .then(() => {
      if (claims.get(id) === gone) claims.delete(id);
    });
  claims.set(id, gone);
}
