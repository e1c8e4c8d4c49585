import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

/**
 * Goes over `items` with 16 at once in a child process that is killed twice: it completes, and no item that was acknowledged
 * before a kill is handled again.
 */
export async function eachKilledTwice(items: number): Promise<EachReport> {
  const program = childProgram(join(__dirname, 'children/each.ts'), { isWhole: true });
  const folder = mkdtempSync(join(tmpdir(), 'millrace-each-'));
  const effects = join(folder, 'effects');
  const store = join(folder, 'state');
  const handled = (): number[] => {
    try {
      return readFileSync(effects, 'utf8').split('\n').slice(0, -1).map(Number);
    } catch {
      return [];
    }
  };
  try {
    const cuts: number[] = [];
    for (const share of [1 / 3, 2 / 3]) {
      // It waits before the end for whoever is held up and kills it late.
      const stopAt = String(Math.floor(items * (share + 1 / 6)));
      await killAfter(
        program,
        [store, String(items), effects, stopAt],
        () => handled().length >= items * share,
      );
      cuts.push(handled().length);
    }
    const last = await program.run(store, String(items), effects);
    const calls = handled();
    const counts = new Map<number, number>();
    for (const item of calls) counts.set(item, (counts.get(item) ?? 0) + 1);
    return {
      ...(JSON.parse(last.stdout || '{}') as Pick<EachReport, 'status' | 'sum' | 'seconds' | 'heapMb'>),
      stderr: last.stderr,
      cuts,
      items: counts.size,
      again: calls.length - counts.size,
    };
  } finally {
    program.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What came of it. */
export interface EachReport {
  readonly status: string;
  readonly sum: number;
  readonly seconds: number;
  readonly heapMb: number;
  readonly stderr: string;
  /** Calls before each kill. */
  readonly cuts: readonly number[];
  readonly items: number;
  /** Calls beyond one an item: at most those in flight at a kill, 16 each. */
  readonly again: number;
}

async function killAfter(
  program: ChildProgram,
  args: readonly string[],
  isTime: () => boolean,
): Promise<void> {
  const child = program.start(...args);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const poll = setInterval(() => {
    if (isTime()) child.kill('SIGKILL');
  }, 20);
  await gone;
  clearInterval(poll);
}
