import { gunzipSync } from 'node:zlib';

import { Shown } from '../../adapters/http/shown';
import { withoutValues } from '../../cli/withoutValues';
import type { StepContext, Store, Wire } from '../../index';
import { agent, execute, memoryStore, workflow } from '../../index';
import type { ArchivedRun } from '../../lib/store/runArchive';
import { archivedRun, importRun, packRun } from '../../lib/store/runArchive';
import { readable, SECRET } from '../support/secrets';

interface Account {
  owner: string;
  password: string;
}

const note = agent('note', (text: string, { update }: StepContext<Account>) => {
  update((draft) => {
    draft.owner = `${text} Kim`;
    draft.password = SECRET;
  });
  return { token: SECRET, text };
});
const flow = workflow('flow', (input: Wire<string>, step) => step('note', note, input), {
  shared: { initial: { owner: 'Kim Minsu', password: SECRET } },
});

/** What the file of a run says, which can be put into another store. */
async function fileOf(run: ArchivedRun): Promise<string> {
  const file = packRun(run);
  await importRun(file, { store: memoryStore() });
  return gunzipSync(file).toString();
}

describe('the file of a run', () => {
  let store: Store;
  beforeEach(() => {
    store = memoryStore();
  });
  const begun = async (input: string): Promise<ArchivedRun> => {
    await execute(flow, input, { store, runId: 'r', tags: { customer: 'Minsu', apiKey: SECRET } });
    return archivedRun('r', store);
  };

  it('without values holds nothing of what was given, shared and came of it, and no tags', async () => {
    const run = await begun('for Minsu');

    for (const one of [run, { ...run, events: undefined }]) {
      const text = await fileOf(withoutValues(one));
      expect([text.includes('Minsu'), text.includes('Kim'), readable(text)]).toEqual([false, false, []]);
    }
    expect(await fileOf(run)).toContain('Minsu');
  });

  it('without secrets holds none in tags and in what is shared either, and all of the rest, however long', async () => {
    const long = `for Minsu${' and others'.repeat(5_000)}`;
    const run = await begun(long);

    for (const one of [run, { ...run, events: undefined }]) {
      const text = await fileOf(new Shown({ keys: [] }).wholeRun(one));
      expect(readable(text)).toEqual([]);
      expect(text).toContain(`"text":"${long}"`);
      expect(text).toContain('"customer":"Minsu"');
    }
  });
});
