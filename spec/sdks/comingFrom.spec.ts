import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { buildSync } from 'esbuild';

const root = join(__dirname, '../..');
const folder = join(root, 'bench/coming-from');
const measure = async (...args: readonly string[]): Promise<string> =>
  (await promisify(execFile)(process.execPath, [join(folder, 'measure.mjs'), ...args])).stdout;

describe('docs/coming-from.md', () => {
  // Inside the packages of this folder, so that they are found.
  const built = mkdtempSync(join(__dirname, 'node_modules', '.millrace-coming-from-'));
  afterAll(() => rmSync(built, { recursive: true }));

  /** The program of Millrace as it stands in the page, with the code at hand. */
  function program(): string {
    const [millrace, outfile] = [join(built, 'millrace.cjs'), join(built, 'program.mjs')];
    const options = { bundle: true, platform: 'node', target: 'node20', packages: 'external' } as const;
    // One file for both entries: two copies would not know each other's agents.
    const contents = "export * from './index'; export * from './adapters/ai/index';";
    buildSync({ ...options, stdin: { contents, resolveDir: root }, outfile: millrace, format: 'cjs' });
    buildSync({
      ...options,
      entryPoints: [join(folder, 'millrace.ts')],
      outfile,
      format: 'esm',
      alias: { millrace, 'millrace/ai': millrace },
      external: [millrace],
    });
    return outfile;
  }

  it('says what the agent begins again when it is killed: what was under way', async () => {
    const outcomes = JSON.parse(await measure('--program', program())) as Readonly<
      Record<
        string,
        { readonly again: readonly string[]; readonly answer?: string; readonly problem?: string }
      >
    >;
    const underWay: Readonly<Record<string, readonly string[]>> = {
      never: [],
      'two tools run, one is done': ['lookUp B'],
      'the model answers again': ['model 2'],
      'a person is asked': [],
      'the approved tool runs': ['refund'],
      'the last answer streams': ['model 3'],
    };
    expect(Object.keys(outcomes)).toEqual(Object.keys(underWay));
    // On a busy machine it may have been over by the time of the death.
    const more = Object.entries(outcomes).flatMap(([moment, { again, problem }]) => [
      ...again.filter((what) => underWay[moment]?.includes(what) !== true),
      ...(problem === undefined ? [] : [problem]),
    ]);
    expect(more).toEqual([]);
    const answers = Object.values(outcomes).map(({ answer }) => answer);
    expect(new Set(answers)).toEqual(new Set(['"You get 42 euros back."']));
  }, 600_000);

  it('has the tables of what was measured, and the lines that the programs have today', async () => {
    expect(readFileSync(join(root, 'docs/coming-from.md'), 'utf8')).toContain(await measure('--print'));
  });
});
