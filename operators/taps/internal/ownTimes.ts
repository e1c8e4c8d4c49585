import type { StepsByPath } from '../../../lib/model/stepPath';
import { isRepeat } from '../../../lib/model/stepPath';

/** Follows which steps run below which, and for how long a step had none running below it. */
export interface OwnTimes {
  /** A step begins at this moment, epoch milliseconds. `steps` are those of the run, which are asked where the path does not say enough. */
  start(path: string, at: number, steps: StepsByPath): void;
  /** A step ends after `duration` seconds; gives the seconds that were its own. */
  end(path: string, at: number, duration: number, steps: StepsByPath): number;
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
  /** The places above a path: for `pages[3]/ocr` these are `pages[3]` and `pages`. Most are not asked for: a state costs. */
  const forEachAbove = (path: string, steps: StepsByPath, look: (above: string) => void): void => {
    for (let end = path.length - 1; end > 0; end -= 1) {
      const code = path.charCodeAt(end);
      if (code === SLASH || (code === BRACKET && !isSecond(path, end, steps))) look(path.slice(0, end));
    }
  };
  /** Whether the bracket makes a second step of one name, which is beside the first. Items are no steps themselves. */
  const isSecond = (path: string, bracket: number, steps: StepsByPath): boolean => {
    const own = path.slice(0, path.indexOf(']', bracket) + 1);
    return (own === path || running.has(own)) && isRepeat(path, bracket, steps);
  };

  return {
    start(path, at, steps) {
      if (running.has(path)) return;
      running.set(path, { below: 0, since: at, covered: 0 });
      forEachAbove(path, steps, (above) => {
        const step = running.get(above);
        if (step === undefined) return;
        if (step.below === 0) step.since = at;
        step.below += 1;
      });
    },
    end(path, at, duration, steps) {
      const step = running.get(path);
      if (step === undefined) return duration;
      running.delete(path);
      forEachAbove(path, steps, (above) => {
        const outer = running.get(above);
        if (outer === undefined) return;
        outer.below -= 1;
        if (outer.below === 0) outer.covered += Math.max(0, at - outer.since);
      });
      return Math.max(0, duration - step.covered / 1_000);
    },
  };
}

const SLASH = 47;
const BRACKET = 91;
