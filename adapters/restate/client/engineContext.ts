import type { Definition } from '../../../lib/definition/definition';
import { definitionOf } from '../../../lib/definition/definition';
import type { Agent } from '../../../lib/model/agentType';
import type { Ingress } from '../protocol/ingress';
import { serviceOf } from '../protocol/serviceNames';
import { LONGEST_WATCH_MS } from '../protocol/wireLimits';
import type { Sleepers, Turns } from './sleepers';

/** What following and beginning runs needs of an engine. */
export interface EngineContext {
  readonly ingress: Ingress;
  readonly admin: Ingress | undefined;
  readonly patienceMs: number;
  readonly pace: Pace;
  /** The lives that are watched together, where there is an admin. */
  readonly sleepers?: Sleepers;
  /** For runs that are left between two lives, perhaps all at once. */
  readonly leaving?: Turns;
}

/** The name under which runs of an agent are served. */
export function serviceFor(agent: Agent<never, unknown>): string {
  return serviceOf(definitionOf(agent) as Definition);
}

/** How closely runs are watched: the fewer there are at once, the closer. */
export interface Pace {
  begin(): void;
  end(): void;
  /** Milliseconds to wait, where it would be so many for one run alone. */
  after(ms: number): number;
  /** Whether so many are under way that they are watched together. */
  isCrowded(): boolean;
  /** How often each of a crowd is asked about in any case: all of them cost the server so many calls a second. */
  crowdMs(): number;
  /** A run sleeps between two lives, until the function that comes back is called. */
  fallAsleep(): () => void;
  /** How often each of those is asked about. */
  napMs(): number;
  /** Whether so many sleep that they are watched together. */
  isDormitory(): boolean;
}

const CLOSELY = 4;
const CROWD = 64;
const CALLS_A_SECOND = 40;

/**
 * To ask for the events of a run costs as much as a short run. So a run is only asked about once it has taken a while, and
 * later and less often the more runs are under way; one that ends before is told with its end.
 */
export function paceOf(): Pace {
  let underWay = 0;
  let asleep = 0;
  return {
    begin() {
      underWay += 1;
    },
    end() {
      underWay -= 1;
    },
    after: (ms) => Math.min(LONGEST_WATCH_MS, ms * Math.max(1, Math.ceil(underWay / CLOSELY))),
    isCrowded: () => underWay > CROWD,
    crowdMs: () => (underWay / CALLS_A_SECOND) * 1_000,
    fallAsleep() {
      asleep += 1;
      return () => {
        asleep -= 1;
      };
    },
    napMs: () => Math.max(1_000, (asleep / CALLS_A_SECOND) * 1_000),
    isDormitory: () => asleep > CROWD,
  };
}
