import { VirtualTimeScheduler } from 'rxjs';

/** Real time: a test that fails by it still says why, before its own time is over. */
const PATIENCE_MS = 30_000;

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

  /**
   * Goes on from one thing that is due to the next, at most to a moment, until something has settled, and gives what it has
   * settled with. Files are not waited for: what they put off may be due before what has come about meanwhile.
   *
   * @throws Error when it has not settled after half a minute of real time.
   */
  async until<T>(end: Promise<T>, latest = Infinity): Promise<T> {
    const settling = { isOver: false };
    const over = (): void => {
      settling.isOver = true;
    };
    end.then(over, over);
    const began = performance.now();
    while (!settling.isOver) {
      const next = this.actions.find(({ closed }) => !closed);
      if (performance.now() - began > PATIENCE_MS)
        throw new Error(
          `It has not settled at ${String(this.frame)}; due next: ${String(next?.delay ?? 'nothing')}`,
        );
      await this.to(Math.min(next?.delay ?? this.frame, latest));
    }
    return end;
  }

  override now = (): number => this.frame;
}

/** After what has been brought about so far. */
export const settled = () =>
  new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
