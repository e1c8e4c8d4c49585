import type { RestateEngine, ServeOptions } from '../../../adapters/restate';
import { restateEngine, serveRestate } from '../../../adapters/restate';
import type { Agent } from '../../../index';
import type { ServerOptions } from './restateServer';
import { restateBinary, startRestate } from './restateServer';

/** Where a worker calls its agents: in the run itself, or in calls of their own. */
export type Placed = 'inline' | 'call';

/** Every way to place agents. */
export const placements: readonly Placed[] = ['inline', 'call'];

/** A Restate server of the test's own with one worker, which is this process. */
export interface Served {
  readonly engine: RestateEngine;
  close(): Promise<void>;
}

/**
 * Describes what agents do on Restate, once for each way to place them; skipped where there is no server.
 *
 * @param define - Gets the options of a run there; their engine can be used within tests.
 */
export function describePlacements(
  title: string,
  agents: readonly Agent<never, unknown>[],
  define: (options: Pick<Served, 'engine'>, placed: Placed) => void,
): void {
  const describeHere = restateBinary() === undefined ? describe.skip : describe;
  describeHere.each(placements)(`${title}, agents placed %s`, (placed) => {
    let served: Served;
    const options = {
      get engine() {
        return served.engine;
      },
    };

    beforeAll(async () => {
      served = await serve(agents, placed);
    });
    afterAll(() => served.close());

    define(options, placed);
  });
}

/** Starts a server and a worker with these agents. */
export async function serve(
  agents: readonly Agent<never, unknown>[],
  placed: Placed,
  more: Partial<ServeOptions> = {},
  ofServer: ServerOptions = {},
): Promise<Served> {
  const server = await startRestate(ofServer);
  const { ingress, admin } = server;
  const worker = await serveRestate(agents, { port: 0, ingress, admin, placement: () => placed, ...more });
  return {
    engine: restateEngine({ ingress, admin }),
    async close() {
      await worker.close();
      await server.stop();
    },
  };
}
