import type { Stop } from '../../streams/pull';

/** A life that can end early. */
export interface Drainable {
  /** Begins nothing more, and ends once what is under way has ended. */
  drain(): void;
  /** Ends now. */
  cutOff(): void;
}

/** Ends many lives early, those too that join later. */
export class Drain {
  readonly #lives = new Set<Drainable>();
  #stage: 'open' | 'draining' | 'cut' = 'open';

  /** Takes a life in. Returns how it leaves. */
  join(life: Drainable): Stop {
    this.#lives.add(life);
    if (this.#stage !== 'open') life.drain();
    return () => {
      this.#lives.delete(life);
    };
  }

  /** Lets what is under way end, and begins nothing more. */
  begin(): void {
    this.#stage = 'draining';
    for (const life of [...this.#lives]) life.drain();
  }

  /** Waits for nothing any longer. */
  cut(): void {
    this.#stage = 'cut';
    for (const life of [...this.#lives]) life.cutOff();
  }
}
