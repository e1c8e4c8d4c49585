import { Session } from 'node:inspector';
import { relative } from 'node:path';

const root = process.cwd();
const source = /^(lib|operators|adapters)\/.+\.ts$/;
// What every question meets: records, codecs and error classes.
const common = /^lib\/(model|codec|errors)\//;

/**
 * The source files of ours whose functions are called by the scenario and not by the same work without it. Both are done once
 * before, so that what a module does when it is loaded counts for neither.
 *
 * Counts come from V8's precise coverage; the sources must be loaded file by file, as Jest and ts-node do.
 */
export async function enteredOnlyBy(
  without: () => Promise<unknown>,
  scenario: () => Promise<unknown>,
): Promise<string[]> {
  const [known, all] = await callsOf(without, scenario);
  return [...all.keys()].filter((file) => !known.has(file)).sort();
}

/** How often functions of each source file of ours are called by the one and by the other, counted as above. */
export async function callsOf(
  without: () => Promise<unknown>,
  scenario: () => Promise<unknown>,
): Promise<readonly [Calls, Calls]> {
  await without();
  await scenario();
  const session = new Session();
  session.connect();
  const post = (method: string, options?: object): { result?: Script[] } => {
    let answer: { result?: Script[] } = {};
    // Answers of an inspector session in the same thread come from within the call.
    session.post(method, options, (error, result) => {
      if (error !== null) throw error;
      answer = result as { result?: Script[] };
    });
    return answer;
  };
  post('Profiler.enable');
  post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const counted = async (work: () => Promise<unknown>): Promise<Calls> => {
    post('Profiler.takePreciseCoverage');
    await work();
    const calls = new Map<string, number>();
    for (const { url, functions } of post('Profiler.takePreciseCoverage').result ?? []) {
      const file = relative(root, url.replace(/^file:\/\//, ''));
      if (!source.test(file) || common.test(file)) continue;
      for (const { ranges } of functions) {
        const [range] = ranges;
        // The function that starts at 0 is the module itself.
        if (range === undefined || range.startOffset === 0 || range.count === 0) continue;
        calls.set(file, (calls.get(file) ?? 0) + range.count);
      }
    }
    return calls;
  };
  const calls = [await counted(without), await counted(scenario)] as const;
  session.disconnect();
  return calls;
}

/** Calls by file; one that is not entered is missing. */
type Calls = ReadonlyMap<string, number>;

interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
  }[];
}
