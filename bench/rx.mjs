import { from, mergeMap, tap } from 'rxjs';

/** What one writes by hand to watch a step: it tells when it starts and what it gave. */
export function call(events, id, step, input) {
  const begun = performance.now();
  events.next({ type: 'step.started', step: id, at: Date.now() });
  return from(step(input)).pipe(
    tap((output) => {
      const duration = (performance.now() - begun) / 1000;
      events.next({ type: 'step.completed', step: id, at: Date.now(), output, duration });
    }),
  );
}

/** The same as an operator. */
export const observed = (events, id, step) => mergeMap((input) => call(events, id, step, input));

/** Runs a stream to its end. */
export function drain(stream$) {
  return new Promise((resolve, reject) => {
    let output;
    stream$.subscribe({ next: (value) => (output = value), error: reject, complete: () => resolve(output) });
  });
}

/** A bus with one subscriber who looks at every event. */
export function watched(subject) {
  let seen = 0;
  subject.subscribe((event) => (seen += event.type.length));
  return subject;
}
