import type { Subscriber } from 'rxjs';

import type { Claim, RunRest } from '../../store/store';

/**
 * Claims a run for one subscriber. Who leaves before the claim has come, as while a folder first opens, gives it back when
 * it comes; who claims the same run meanwhile waits for that.
 */
export function claimFor(
  rest: RunRest,
  runId: string,
  subscriber: Subscriber<unknown>,
  begin: (claim: Claim) => void,
): void {
  const isGone = (): boolean => subscriber.closed;
  const take = (): void => {
    if (isGone()) return;
    const claim = rest.claim(runId);
    if (!(claim instanceof Promise)) {
      begin(claim);
      return;
    }
    let hasCome = false;
    subscriber.add(() => {
      if (!hasCome) giveBack(rest, runId, claim);
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
  const earlier = leaving.get(rest)?.get(runId);
  if (earlier === undefined) take();
  else earlier.then(take).catch(fail);
}

/** Claims that nobody wants any more and that have not come yet. */
const leaving = new WeakMap<RunRest, Map<string, Promise<void>>>();

function giveBack(rest: RunRest, runId: string, claim: Promise<Claim>): void {
  const claims = leaving.get(rest) ?? new Map<string, Promise<void>>();
  leaving.set(rest, claims);
  const gone = claim
    .then(async (one) => one.release(() => one.state))
    // Whoever asks next hears of it.
    .catch(() => undefined)
    .then(() => {
      if (claims.get(runId) === gone) claims.delete(runId);
    });
  claims.set(runId, gone);
}
