import type { RunHelpers } from 'rxjs/testing';
import { TestScheduler } from 'rxjs/testing';

/** A test in virtual time: what the helpers expect is compared when it ends. */
export function marbles(
  test: (helpers: RunHelpers & { readonly scheduler: TestScheduler }) => void,
): () => void {
  return () => {
    const scheduler = new TestScheduler((actual, expected) => {
      expect(actual).toEqual(expected);
    });
    scheduler.run((helpers) => {
      test({ ...helpers, scheduler });
    });
  };
}
