import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

/** What one part has done. */
export interface Figures {
  readonly part: string;
  readonly tests: string;
  readonly 'what was done': string;
  readonly passed: number;
  readonly violations: number;
  readonly seconds: number;
}

const ROOT = join(__dirname, '..', '..');
const BEGIN = '<!-- torture:begin -->';
const END = '<!-- torture:end -->';

/** Puts what was measured into docs/reliability.md, between its marks, and formats it. */
export function writeTable(
  figures: readonly Figures[],
  { seed, scale, seconds }: { readonly seed: number; readonly scale: number; readonly seconds: number },
): void {
  const page = join(ROOT, 'docs', 'reliability.md');
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from === -1 || to < from)
    throw new Error(`Cannot write the table into ${page}: it has no ${BEGIN} before ${END}`);
  const violations = figures.reduce((sum, figure) => sum + figure.violations, 0);
  const rows = figures.map(
    (figure) =>
      `| ${figure.part} | ${figure.tests} | ${figure['what was done']} | ${String(figure.passed)} | ${String(figure.violations)} | ${String(figure.seconds)} |`,
  );
  const command = `npm run torture -- --seed ${String(seed)}${scale === 1 ? '' : ` --scale ${String(scale)}`}`;
  const table = [
    `\`${command}\` on ${new Date().toISOString().slice(0, 10)} at commit ${commit()}: ${String(violations)} violations in ` +
      `${String(Math.round(seconds / 60))} minutes. ${machine()}.`,
    '',
    '| part | tests | what was done | cases passed | violations | seconds |',
    '|---|---|---|---|---|---|',
    ...rows,
  ];
  writeFileSync(page, `${text.slice(0, from)}${BEGIN}\n\n${table.join('\n')}\n\n${text.slice(to)}`);
  execFileSync(process.execPath, [join(ROOT, 'node_modules/prettier/bin/prettier.cjs'), '--write', page]);
}

function commit(): string {
  const git = (...args: readonly string[]): string =>
    execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  const isClean = git('status', '--porcelain', '--untracked-files=no') === '';
  return `${git('rev-parse', '--short', 'HEAD')}${isClean ? '' : ' with changes'}`;
}

function machine(): string {
  const [{ model } = { model: 'unknown processor' }, ...others] = cpus();
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  return `Node ${process.version}, ${String(others.length + 1)} x ${model.trim()}, ${String(gigabytes)} GiB`;
}
