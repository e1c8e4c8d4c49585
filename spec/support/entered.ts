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
 * Counts come from V8's precise coverage; the sources must be loaded file by file, as ts-node does.
 */
export async function enteredOnlyBy(
  without: () => Promise<unknown>,
  scenario: () => Promise<unknown>,
): Promise<string[]> {
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
  const entered = async (work: () => Promise<unknown>): Promise<Set<string>> => {
    post('Profiler.takePreciseCoverage');
    await work();
    const files = new Set<string>();
    for (const { url, functions } of post('Profiler.takePreciseCoverage').result ?? []) {
      const file = relative(root, url.replace(/^file:\/\//, ''));
      if (!source.test(file) || common.test(file)) continue;
      // The function that starts at 0 is the module itself.
      if (
        functions.some(
          ({ ranges: [range] }) => range !== undefined && range.startOffset > 0 && range.count > 0,
        )
      ) {
        files.add(file);
      }
    }
    return files;
  };
  const known = await entered(without);
  const all = await entered(scenario);
  session.disconnect();
  return [...all].filter((file) => !known.has(file)).sort();
}

interface Script {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
  }[];
}
