import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { millrace, project } from './support/typed';

const page = readFileSync(join(__dirname, '../../docs/cli.md'), 'utf8');

/** Times, sizes and new ids differ from run to run. */
function bare(text: string): string {
  return (
    text
      // Where a step had to wait for its turn is a matter of chance.
      .replaceAll(/^.* waited .*\n/gm, '')
      .replaceAll(/\d{4}-\d\d-\d\d/g, '<day>')
      .replaceAll(/\d\d:\d\d:\d\d(\.\d+)?/g, '<time>')
      .replaceAll(/\b\d+(\.\d+)? (ms|s)\b/g, '<took>')
      .replaceAll(/\b\d+(\.\d+)? (B|kB)\b/g, '<size>')
      .replaceAll(/[0-7][0-9A-HJKMNP-TV-Z]{25}|…[0-9A-HJKMNP-TV-Z]{8}/g, '<id>')
      .replaceAll(/(\/\S+)?\/(state|b-1\.millrace\.gz)/g, '<file>/$2')
      .replaceAll(/\(file:\/\/\S+?flows/g, '(flows')
      .replaceAll(/v\d+\.\d+\.\d+/g, '<version>')
      .replaceAll(/[ \t]+/g, ' ')
      .trim()
  );
}

/** `MENDED=1 millrace show 'pages[2]/ocr'` as words. */
function wordsIn(command: string): readonly string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

it('docs/cli.md shows what the commands print', () => {
  const { folder: cwd, remove } = project();
  for (const [, file = '', text = ''] of page.matchAll(/```\w+ file=(\S+)\n([\s\S]*?)```/g))
    writeFileSync(join(cwd, file), text);
  const shown: string[] = [];
  const printed: string[] = [];
  for (const [, block = ''] of page.matchAll(/```console\n([\s\S]*?)```/g)) {
    for (const part of block.split(/^\$ /m).slice(1)) {
      const [command = ''] = part.split('\n');
      const words = wordsIn(command);
      const at = words.indexOf('millrace');
      const env = Object.fromEntries(words.slice(0, at).map((each) => each.split('=') as [string, string]));
      const { stdout, stderr } =
        words[0] === 'node'
          ? spawnSync(process.execPath, words.slice(1), { cwd, encoding: 'utf8' })
          : millrace(words.slice(at + 1), { cwd, env: { ...env, TZ: 'UTC' } });
      shown.push(bare(part));
      printed.push(bare(`${command}\n${stderr}${stdout}`));
    }
  }
  remove();

  expect(printed.length).toBeGreaterThan(15);
  expect(printed).toEqual(shown);
});
