import { listRuns } from '../../adapters/restate/client/listRuns';
import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { keyOf, servicesNamed } from '../../adapters/restate/protocol/serviceNames';

const version = '0123456789ab';

/** A server with these lives of runs, newest first; it knows LIMIT and OFFSET, and takes LIKE for everything. */
function serverWith(lives: readonly (readonly [agent: string, runId: string, life: number])[]) {
  const asked: string[] = [];
  const admin: Ingress = {
    request: (_path, options) => {
      const { query } = options?.body as { readonly query: string };
      asked.push(query);
      const [, limit, offset] = /limit (\d+) offset (\d+)$/.exec(query) ?? [];
      const rows = lives.map(([agent, runId, life], index) => ({
        target_service_name: `${servicesNamed(agent)}${version}`,
        target_service_key: keyOf(runId, life),
        status: 'running',
        created_at: new Date(1_000_000 - index).toISOString(),
      }));
      return Promise.resolve({ rows: rows.slice(Number(offset), Number(offset) + Number(limit)) });
    },
  };
  const context = { ingress: admin, admin, patienceMs: 1_000, pace: undefined as never };
  return { asked, list: (name: string | undefined, limit: number) => listRuns(context, admin, name, limit) };
}

describe('listRuns() of the Restate engine', () => {
  it('gives each run once, with its latest life, also when older ones have many', async () => {
    const many = Array.from({ length: 40 }, (_, n) => ['report', 'first', 40 - n] as const);
    const { list } = serverWith([...many, ['report', 'second', 1], ['report', 'third', 1]]);

    const runs = await list('report', 3);
    expect(runs.map(({ runId, life }) => [runId, life])).toEqual([
      ['first', 40],
      ['second', 1],
      ['third', 1],
    ]);
  });

  it('leaves out agents whose names only look alike to the server', async () => {
    const { list } = serverWith([
      ['a b', 'x', 1],
      ['a-b', 'y', 1],
    ]);
    expect((await list('a b', 10)).map(({ runId }) => runId)).toEqual(['x']);
    expect(await list(undefined, 10)).toHaveLength(2);
  });

  it('asks no further than it has to', async () => {
    const { asked, list } = serverWith(
      Array.from({ length: 100 }, (_, n) => ['report', `run ${String(n)}`, 1] as const),
    );
    expect(await list('report', 5)).toHaveLength(5);
    expect(asked).toHaveLength(1);
  });
});
