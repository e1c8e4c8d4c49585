import { crc32 } from 'node:zlib';

import { agent, serve, submit } from '../../../index';
import { hex } from '../../../lib/store/folder/journal/journalRecord';
import { examine } from '../../../lib/store/salvage/examine';
import { salvage } from '../../../lib/store/salvage/salvage';
import { storeOn } from './support/crash';
import { append, life } from './support/life';
import { MemoryFiles } from './support/memoryFiles';

const HISTORY = '/state/history.json';

/** A store with two runs at rest. */
async function rested(): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  const store = storeOn(files);
  for (const runId of ['ann', 'bo']) await append(await store.claim(runId), life(runId, 2));
  await store.close();
  return files.afterKill();
}

/** Changes a file, and gives it the checksum that it needs then. */
function edit(files: MemoryFiles, path: string, from: string, to: string): void {
  const text = files.all().get(path)!.toString();
  const body = text.slice(0, text.lastIndexOf(',\n"crc32"')).replace(from, to);
  files.put(path, Buffer.from(`${body},\n"crc32": "${hex(crc32(body))}"\n}\n`));
}

const badTags = (files: MemoryFiles): void => {
  edit(files, HISTORY, '"runId":"bo","name":', '"runId":"bo","tags":{"a":1},"name":');
};

/** What is told of runs while one that was submitted is carried out. */
async function servedBeside(store: ReturnType<typeof storeOn>): Promise<unknown[]> {
  const told: unknown[] = [];
  const later = agent('later', () => 1);
  await submit(later, undefined, { store, runId: 'later' });
  return new Promise((resolve, reject) => {
    const serving = serve([later], { store }).subscribe({
      next: ({ event }) => {
        if (event.type === 'step.logged') told.push([event.runId, event.message]);
        if (event.type !== 'run.completed') return;
        resolve(told);
        setTimeout(() => serving.unsubscribe());
      },
      error: reject,
    });
  });
}

const offsetOfBo = (files: MemoryFiles): number => files.all().get(HISTORY)!.indexOf('{"runId":"bo"');

describe('a line of history.json that cannot be read', () => {
  let warnings: string[];
  beforeEach(() => {
    warnings = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((text) => void warnings.push(String(text)));
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is made anew from the file of its run, told once, and written so', async () => {
    const files = await rested();
    const before = await storeOn(files).listRuns();
    badTags(files);

    const reader = storeOn(files);
    expect(await reader.listRuns()).toEqual(before);
    expect(warnings).toEqual([
      expect.stringContaining(`"${HISTORY}" at byte ${String(offsetOfBo(files))}: the line of run "bo"`),
    ]);
    expect((await examine('/state', { files })).damage).toEqual([
      { file: HISTORY, offset: offsetOfBo(files), reason: expect.stringContaining('the line of run "bo"') },
    ]);
    const writer = storeOn(files);
    await append(await writer.claim('new'), life('new', 1));
    await writer.close();
    expect(await storeOn(files).listRuns()).toHaveLength(3);
    expect((await examine('/state', { files })).damage).toEqual([]);
  });

  it('closes no other run when its file is damaged too, and is kept', async () => {
    const files = await rested();
    badTags(files);
    const whole = files.all().get('/state/runs/bo.json')!;
    files.put('/state/runs/bo.json', whole.subarray(0, 100));

    const store = storeOn(files);
    expect((await store.claim('ann')).state?.status).toBe('COMPLETED');
    await expect(store.listRuns()).rejects.toThrow('the line of run "bo"');
    const told: string[] = [];
    expect(await store.listRuns({ onDamaged: (runId) => told.push(runId) })).toHaveLength(1);
    expect(told).toEqual(['bo']);
    await expect(async () => store.claim('bo')).rejects.toMatchObject({ file: '/state/runs/bo.json' });
    expect(await servedBeside(store)).toEqual([['bo', expect.stringContaining('the line of run "bo"')]]);
    await append(await store.claim('new'), life('new', 1));
    await store.close();

    files.put('/state/runs/bo.json', whole);
    expect(await storeOn(files).listRuns()).toHaveLength(4);
  });

  it('refuses the folder when it does not say where its run lies; salvage() finds the run', async () => {
    const files = await rested();
    edit(files, HISTORY, '"runId":"bo"', '"runId":5');

    await expect(storeOn(files).listRuns()).rejects.toThrow(
      'line 2 of its runs does not say where a run lies',
    );
    const leftOut = await salvage('/state', '/salvaged', { files });
    expect(leftOut).toEqual([{ file: HISTORY, offset: expect.any(Number), reason: expect.any(String) }]);
    expect((await examine('/salvaged', { files })).runs).toHaveLength(2);
  });
});
