import type { AgentMetrics, AgentStats } from './agentMetrics';
import { agentStats } from './agentMetrics';

/** What changed after a sample was taken, as it was before; the later changes hang behind it. */
interface Changes {
  readonly before: Map<string, AgentStats | undefined>;
  next: Changes | undefined;
}

/**
 * The numbers of many agents at many moments: a sample costs nothing by itself, an agent that changes after a sample costs one
 * copy of its numbers. Samples that nobody holds any longer are forgotten, and so is what was kept for them.
 */
export class AgentSamples {
  readonly #agents: ReadonlyMap<string, AgentMetrics>;
  #latest: Changes | undefined;

  constructor(agents: ReadonlyMap<string, AgentMetrics>) {
    this.#agents = agents;
  }

  /** To be called before an agent's numbers change, or the agent is added. */
  willChange(name: string): void {
    const before = this.#latest?.before;
    if (before === undefined || before.has(name)) return;
    const agent = this.#agents.get(name);
    before.set(name, agent === undefined ? undefined : agentStats(agent));
  }

  /** The numbers of all agents as of now, also when they are looked at later. */
  take(): Readonly<Record<string, AgentStats>> {
    const changes: Changes = { before: new Map(), next: undefined };
    if (this.#latest !== undefined) this.#latest.next = changes;
    this.#latest = changes;
    const agents = this.#agents;
    const count = agents.size;
    const read = (name: string | symbol): AgentStats | undefined => {
      const agent = typeof name === 'string' ? agents.get(name) : undefined;
      if (agent === undefined) return undefined;
      for (let later: Changes | undefined = changes; later !== undefined; later = later.next) {
        if (later.before.has(agent.agentName)) return later.before.get(agent.agentName);
      }
      return agentStats(agent);
    };
    // A record with thousands of fields for each run that ends would cost more than the run.
    return new Proxy<Record<string, AgentStats>>(
      {},
      {
        get: (target, name): unknown => read(name) ?? Reflect.get(target, name),
        has: (target, name) => read(name) !== undefined || Reflect.has(target, name),
        ownKeys: () => [...agents.keys()].slice(0, count),
        getOwnPropertyDescriptor: (_, name) => {
          const value = read(name);
          return value === undefined
            ? undefined
            : { value, enumerable: true, configurable: true, writable: false };
        },
        set: () => false,
        defineProperty: () => false,
      },
    );
  }
}
