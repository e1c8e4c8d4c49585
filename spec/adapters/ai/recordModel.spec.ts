import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { lastValueFrom, toArray } from 'rxjs';

import type { Model, ModelRequest } from '../../../adapters/ai/index';
import {
  agent,
  chain,
  execute,
  fallback,
  memoryStore,
  outputs,
  partials,
  run,
  withPolicy,
} from '../../../index';
import { fakeModel, recordModel, replayModel } from '../../../testing/index';

const question = (content: string): ModelRequest => ({ messages: [{ role: 'user', content }] });
const ask = (model: Model, content: string) => lastValueFrom(run(model, question(content)).pipe(outputs()));

describe('a recorded model', () => {
  const folder = mkdtempSync(join(tmpdir(), 'recorded-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('answers again as it did: text piece by piece, tools, failures, in their order', async () => {
    const file = join(folder, 'model.jsonl');
    let calls = 0;
    const real = fakeModel(({ messages: [first] }) => {
      calls += 1;
      if (first?.content === 'fail')
        return { text: ['so '], error: Object.assign(new Error('busy'), { status: 429 }) };
      return {
        text: ['a', String(calls)],
        toolCalls: [{ tool: 'x' }],
        usage: { inputTokens: 1, outputTokens: 2 },
      };
    });
    const recorded = recordModel(real, file);
    const first = await ask(recorded, 'same');
    const second = await ask(recorded, 'same');
    await expect(ask(recorded, 'fail')).rejects.toThrow('busy');

    const replayed = replayModel(file);
    expect([await ask(replayed, 'same'), await ask(replayed, 'same'), await ask(replayed, 'same')]).toEqual([
      first,
      second,
      second,
    ]);
    const pieces = run(replayModel(file), question('same')).pipe(partials<string>(), toArray());
    expect((await lastValueFrom(pieces)).map(({ value }) => value)).toEqual(['a', '1']);
    await expect(ask(replayed, 'fail')).rejects.toMatchObject({ failure: { message: 'busy', status: 429 } });
    await expect(ask(replayed, 'new')).rejects.toThrow('nobody asked this when it was recorded');
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(3);
  });

  it('stands for the model itself, also where a run of it goes on', async () => {
    const store = memoryStore();
    const real: Model = withPolicy(fakeModel([{ text: 'yes' }]), { version: 2 });
    await execute(real, question('?'), { store, runId: 'r' });
    const recorded = recordModel(real, join(folder, 'version.jsonl'));

    expect((await execute(recorded, question('?'), { store, runId: 'r' })).output?.text).toBe('yes');
  });

  it('keeps whole lines of calls at the same time', async () => {
    const file = join(folder, 'many.jsonl');
    const recorded = recordModel(
      fakeModel(() => ({ text: 'x'.repeat(10_000) })),
      file,
    );
    await Promise.all(Array.from({ length: 20 }, (_, index) => ask(recorded, String(index))));

    for (const line of readFileSync(file, 'utf8').trim().split('\n'))
      expect(() => JSON.parse(line) as unknown).not.toThrow();
  });

  it('refuses a model that is made of others', () => {
    const [one, other] = [fakeModel([{ text: 'a' }]), fakeModel([{ text: 'b' }])];
    const either = fallback(
      'either',
      one,
      chain(
        'other',
        agent('input', ({ input }: { readonly input: ModelRequest }) => input),
        other,
      ),
    );
    expect(() => recordModel(either as Model, join(folder, 'either.jsonl'))).toThrow(
      'Cannot record "either": it is a fallback made of others; record the models that it is made of',
    );
  });

  it('fails by name where there is no such file', async () => {
    await expect(ask(replayModel(join(folder, 'none.jsonl')), 'x')).rejects.toThrow('ENOENT');
  });
});
