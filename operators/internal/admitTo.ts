import type { SchedulerLike } from 'rxjs';

import type { Stop } from '../../lib/graph/answer';
import type { LimitPolicy } from '../../lib/model/agent';
import { limiterOf } from './limiter';

/**
 * Asks a limit to let a call with this input in: `enter` is called at once, from within this call, or when there is room.
 * What comes back gives the room to the next one, or gives up waiting.
 *
 * @throws What the limit's `key` throws.
 */
export function admitTo(
  limit: LimitPolicy,
  input: unknown,
  scheduler: SchedulerLike,
  enter: () => void,
): Stop {
  return limiterOf(limit, scheduler).admit(limit.key?.(input as never) ?? '', enter);
}
