import type { Wire } from '../../index';
import { agent, execute, live, run, workflow } from '../../index';
import { aborted, hang, wait } from '../contract/cases/agents';
import { itCarriesOut } from '../contract/engine';
import { engineCases } from '../contract/engineCases';
import { collect } from '../support/told';
import type { Served } from './support/placements';
import { placements, serve } from './support/placements';
import { restateBinary, waitFor } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;
const cases = engineCases.filter(({ isInOneGo = false }) => !isInOneGo);

describeHere.each(placements)(
  'runs that begin anew from their journal at every wait, agents placed %s',
  (placed) => {
    let served: Served;
    let runs = 0;

    beforeAll(async () => {
      const agents = cases.map(({ agent: each }) => each);
      served = await serve(agents, placed, { inactivityTimeoutMs: 0 });
    });
    afterAll(() => served.close());

    itCarriesOut(cases, () => ({ engine: served.engine, runId: `replayed ${placed} ${(runs += 1)}` }));
  },
);

const slowly = agent('slowly', async function* (text: string) {
  yield text;
  await wait(2_500);
  yield `${text} at last`;
});
const count = agent('count', async (words: AsyncIterable<string>) => {
  const heard: string[] = [];
  for await (const word of words) heard.push(word);
  return heard.length;
});
const spoken = workflow('spoken slowly', (text: Wire<string>, step) => {
  const said = step('said', slowly, text);
  return { said, heard: step('heard', count, live(said)) };
});
const stuck = workflow('stuck', (text: Wire<string>, step) => ({
  quick: step('quick', (word: string) => word, text),
  stuck: step('stuck', agent('stuck', hang), text),
}));

describeHere.each(placements)(
  'agents that are silent for longer than the server waits, placed %s',
  (placed) => {
    let served: Served;

    beforeAll(async () => {
      served = await serve([spoken, stuck], placed, {}, { inactivityTimeout: '1s' });
    });
    afterAll(() => served.close());

    it('hears what other steps have done meanwhile', async () => {
      const final = await execute(spoken, 'a', { engine: served.engine });
      expect(final.output).toEqual({ said: 'a at last', heard: 2 });
    });

    it('hears that nobody waits any more', async () => {
      const runId = `left ${placed}`;
      const left = collect(run(stuck, 'a', { engine: served.engine, runId }));
      await waitFor(() => left.told.includes('step.started stuck'), 5_000, 'the step that hangs');
      await wait(2_000);
      left.leave?.();
      await waitFor(() => aborted.has(runId), 2_000, 'its abort');
    });
  },
);
