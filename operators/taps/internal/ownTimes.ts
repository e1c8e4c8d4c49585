/** Follows which steps run below which, and for how long a step had none running below it. */
export interface OwnTimes {
  /** A step begins at this moment, epoch milliseconds. */
  start(path: string, at: number): void;
  /** A step ends after `duration` seconds; gives the seconds that were its own. */
  end(path: string, at: number, duration: number): number;
}

interface Running {
  /** Steps below that run now. */
  below: number;
  /** Since when there has been at least one, epoch milliseconds. */
  since: number;
  /** Milliseconds in which there was at least one. */
  covered: number;
}

/** Keeps one small record a running step. */
export function ownTimes(): OwnTimes {
  const running = new Map<string, Running>();

  return {
    start(path, at) {
      if (running.has(path)) return;
      running.set(path, { below: 0, since: at, covered: 0 });
      forEachAbove(path, (above) => {
        const step = running.get(above);
        if (step === undefined) return;
        if (step.below === 0) step.since = at;
        step.below += 1;
      });
    },
    end(path, at, duration) {
      const step = running.get(path);
      if (step === undefined) return duration;
      running.delete(path);
      forEachAbove(path, (above) => {
        const outer = running.get(above);
        if (outer === undefined) return;
        outer.below -= 1;
        if (outer.below === 0) outer.covered += Math.max(0, at - outer.since);
      });
      return Math.max(0, duration - step.covered / 1_000);
    },
  };
}

/** The places above a path: for `pages[3]/ocr` these are `pages[3]` and `pages`. */
function forEachAbove(path: string, look: (above: string) => void): void {
  for (let end = path.length - 1; end > 0; end -= 1) {
    const code = path.charCodeAt(end);
    if (code === SLASH || code === BRACKET) look(path.slice(0, end));
  }
}

const SLASH = 47;
const BRACKET = 91;
