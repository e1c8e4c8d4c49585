import type { OperatorFunction } from 'rxjs';
import { filter, map } from 'rxjs';

import type { Transition } from '../../lib/model/event';

/** The outputs of the runs that complete. A run that fails errors this stream as it errors `run()`. */
export function outputs<O>(): OperatorFunction<Transition<O>, O> {
  return (transitions) =>
    transitions.pipe(
      filter(({ event }) => event.type === 'run.completed'),
      map(({ event }) => (event as { readonly output: O }).output),
    );
}
