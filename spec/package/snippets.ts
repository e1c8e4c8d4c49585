import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { transformSync } from 'esbuild';

import { shortened, shown } from '../support/snippets';

/*
 * Runs every snippet of the pages whose output they show, with the package that is installed in a folder, and compares what it prints:
 *
 *   ts-node -T spec/package/snippets.ts <folder> cjs|mjs
 */

const AT_ONCE = 4;
const [folder = '.', extension = 'cjs'] = process.argv.slice(2);
const files = join(folder, `snippets-${extension}`);
mkdirSync(files, { recursive: true });

function printed(file: string): Promise<string> {
  const state = mkdtempSync(join(tmpdir(), 'millrace-'));
  return new Promise((resolve) => {
    execFile(process.execPath, [file], { cwd: state, timeout: 300_000 }, (error, stdout, stderr) => {
      rmSync(state, { recursive: true });
      resolve(`${stderr}${stdout}${error?.killed === true ? 'was ended after five minutes\n' : ''}`);
    });
  });
}

async function main(): Promise<void> {
  const format = extension === 'cjs' ? 'cjs' : 'esm';
  const waiting = [...shown.entries()];
  let differ = 0;
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, { page, nth, code, output }] = next;
      const file = join(files, `${String(index)}.${extension}`);
      writeFileSync(file, transformSync(code, { loader: 'ts', format, platform: 'node' }).code);
      const got = shortened(await printed(file));
      if (got === output) continue;
      differ += 1;
      console.error(`${page}, snippet ${String(nth)} as ${extension} printed\n${got}\ninstead of\n${output}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  console.log(
    `${String(shown.length - differ)} snippets print what stands below them, ${String(differ)} do not`,
  );
  process.exitCode = differ === 0 && shown.length > 0 ? 0 : 1;
}

void main();
