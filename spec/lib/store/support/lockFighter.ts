import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { nodeFiles } from '../../../../lib/store/folder/files/nodeFiles';
import { takeLock } from '../../../../lib/store/folder/lock/lock';
import { processOwners } from '../../../../lib/store/folder/lock/owner';

// Takes the lock again and again, marks what it holds, and dies holding it when it has had it so often.
const [folder = '', milliseconds = '0', diesAfter = 'Infinity'] = process.argv.slice(2);
const marker = `${folder}/marker`;
const end = performance.now() + Number(milliseconds);
let held = 0;
async function fight(): Promise<void> {
  try {
    const lock = await takeLock(nodeFiles, `${folder}/lock`, folder, processOwners);
    held += 1;
    try {
      writeFileSync(marker, String(process.pid), { flag: 'wx' });
    } catch {
      const found = doubleOwner();
      if (found !== undefined) {
        console.log(
          `double owner ${found}; process ${process.pid}; locks ${readdirSync(`${folder}/lock`).join()}`,
        );
        process.exit(1);
      }
      writeFileSync(marker, String(process.pid));
    }
    if (held >= Number(diesAfter)) process.kill(process.pid, 'SIGKILL');
    rmSync(marker, { force: true });
    lock.release();
  } catch (error) {
    if ((error as Error).name !== 'StoreLockedError') {
      const known = error as Error;
      console.log(`${known.name}: ${known.message}`);
    }
  }
}
void (async () => {
  while (performance.now() < end) await fight();
  console.log(`held ${held}`);
})();

/**
 * Who has the lock besides this process. One that is being killed does nothing any more, though its state does not say so for
 * a moment; one that goes on removes its mark.
 */
function doubleOwner(): string | undefined {
  const mark = (): string | undefined => {
    try {
      return readFileSync(marker, 'utf8');
    } catch {
      return undefined;
    }
  };
  const other = mark();
  if (other === String(process.pid)) return undefined;
  for (let waits = 0; waits < 10_000; waits += 1) {
    if (mark() !== other) return `${other ?? 'somebody'}, who went on`;
    if (stateOf(Number(other)) === undefined) return undefined;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  return `${other ?? 'somebody'}, who lives`;
}

/** What a living process does; undefined when it is gone, or a zombie (Z), or one that is being taken away (X). */
function stateOf(pid: number): string | undefined {
  try {
    const state = / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
    return state === 'Z' || state === 'X' ? undefined : state;
  } catch {
    return undefined;
  }
}
