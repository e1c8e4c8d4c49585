import { VirtualTimeScheduler } from 'rxjs';

/** Virtual time that begins at a moment and goes on when it is told. */
export class Clock extends VirtualTimeScheduler {
  constructor(at: number) {
    super(undefined, Infinity);
    this.frame = at;
  }

  /** Goes on to the next thing that is due, at most to a moment; lets what it brings about happen. */
  async to(until: number): Promise<void> {
    for (;;) {
      await settled();
      const [next] = this.actions;
      if (next === undefined || next.delay > until) break;
      this.actions.shift();
      this.frame = next.delay;
      next.execute(next.state, next.delay);
    }
    this.frame = until;
  }

  override now = (): number => this.frame;
}

/** After what has been brought about so far. */
export const settled = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
