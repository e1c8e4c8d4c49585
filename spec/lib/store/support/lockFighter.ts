import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import { nodeFiles } from '../../../../lib/store/folder/files/nodeFiles';
import { takeLock } from '../../../../lib/store/folder/lock/lock';
import { processOwners } from '../../../../lib/store/folder/lock/owner';

// Takes the lock again and again, marks what it holds, and dies holding it when it has had it so often.
const [folder = '', milliseconds = '0', diesAfter = 'Infinity'] = process.argv.slice(2);
const marker = `${folder}/marker`;
const end = performance.now() + Number(milliseconds);
let held = 0;
while (performance.now() < end) {
  try {
    const lock = takeLock(nodeFiles, `${folder}/lock`, folder, processOwners);
    held += 1;
    try {
      writeFileSync(marker, String(process.pid), { flag: 'wx' });
    } catch {
      const other = Number(readFileSync(marker, 'utf8'));
      const state = stateOf(other);
      if (other !== process.pid && state !== undefined) {
        const locks = readdirSync(`${folder}/lock`).join();
        console.log(`double owner ${other}, ${state}; process ${process.pid}; locks ${locks}`);
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
console.log(`held ${held}`);

/** What a living process does; undefined when it is gone, or a zombie (Z), or one that is being taken away (X). */
function stateOf(pid: number): string | undefined {
  try {
    const state = / ([A-Z]) /.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1];
    return state === 'Z' || state === 'X' ? undefined : state;
  } catch {
    return undefined;
  }
}
