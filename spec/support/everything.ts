import type { Observable } from 'rxjs';

/** Everything a stream gives until it ends, in whichever way. */
export function everything<T>(stream: Observable<T>): Promise<readonly T[]> {
  return new Promise((resolve) => {
    const items: T[] = [];
    const end = (): void => {
      resolve(items);
    };
    stream.subscribe({ next: (item) => items.push(item), error: end, complete: end });
  });
}
