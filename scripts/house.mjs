// How livable the code is: what a reader has to open, in figures.
//
//   npm run house             prints the figures
//   npm run house -- --check  fails where a limit is passed (CI does this)
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { basename, dirname } from 'node:path';
import ts from 'typescript';

const LARGEST_FOLDER = 24;
const LONGEST_FUNCTION = 80;
const SMALL = 25;
/** At most one file in so many may be small. */
const SMALL_SHARE = 6;

const published = /^(?:[^/]+\.ts|(?:lib|operators|adapters|inspector|testing|cli)\/.+\.tsx?)$/;
const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts', '*.tsx'],
  {
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((file) => published.test(file));

const sources = files.flatMap((file) => {
  let text;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return []; // Deleted, and git does not know yet.
  }
  return [{ file, text, lines: text.split('\n').length - 1, syntax: parse(file, text) }];
});

const folders = countBy(sources, ({ file }) => dirname(file));
const small = sources.filter(({ file, lines }) => lines < SMALL && basename(file) !== 'index.ts');
const functions = sources.flatMap(({ file, syntax }) => functionsIn(file, syntax));
const long = functions.filter(({ lines }) => lines > LONGEST_FUNCTION).sort((a, b) => b.lines - a.lines);
const twinFiles = twins(
  sources.filter(({ file }) => basename(file) !== 'index.ts'),
  ({ file }) => basename(file).replace(/\.tsx?$/, ''),
  ({ file }) => file,
);
const twinFunctions = twins(
  sources.flatMap(({ file, syntax }) => [...exportedFunctions(syntax)].map((name) => ({ file, name }))),
  ({ name }) => name,
  ({ file }) => file,
);

const [fullest, most] = [...folders].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
console.log(`source files                  ${String(sources.length)}`);
console.log(`lines                         ${String(sources.reduce((sum, { lines }) => sum + lines, 0))}`);
console.log(
  `files below ${String(SMALL)} lines          ${String(small.length)} (at most one in ${String(SMALL_SHARE)})`,
);
console.log(
  `largest folder                ${String(most)} files in ${fullest} (at most ${String(LARGEST_FOLDER)})`,
);
console.log(
  `functions over ${String(LONGEST_FUNCTION)} lines       ${String(long.length)} of ${String(functions.length)}`,
);
console.log(`base names in two places      ${String(twinFiles.length)}`);
console.log(`function names in two places  ${String(twinFunctions.length)}`);

const faults = [
  ...[...folders]
    .filter(([, count]) => count > LARGEST_FOLDER)
    .map(
      ([folder, count]) =>
        `${folder} holds ${String(count)} files; sort them into folders of at most ${String(LARGEST_FOLDER)}`,
    ),
  ...(small.length * SMALL_SHARE > sources.length
    ? [
        `${String(small.length)} of ${String(sources.length)} files are below ${String(SMALL)} lines: ${small.map(({ file }) => file).join(', ')}`,
      ]
    : []),
  ...long.map(
    ({ file, name, line, lines }) =>
      `${file}:${String(line)} ${name} has ${String(lines)} lines; at most ${String(LONGEST_FUNCTION)}`,
  ),
  ...twinFiles.map(([name, places]) => `${name} is the name of ${places.join(' and ')}`),
  ...twinFunctions.map(([name, places]) => `function ${name} is exported by ${places.join(' and ')}`),
];
for (const fault of faults) console.log(`- ${fault}`);
if (process.argv.includes('--check') && faults.length > 0) process.exit(1);

function parse(file, text) {
  return ts.createSourceFile(
    file,
    text,
    ts.ScriptTarget.Latest,
    true,
    file.endsWith('x') ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
}

/** Every function with a body: its name, where it begins, and how many lines it has. */
function functionsIn(file, syntax) {
  const found = [];
  const lineOf = (position) => syntax.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node) => {
    if (ts.isFunctionLike(node) && node.body !== undefined) {
      const line = lineOf(node.getStart());
      const name = node.name?.getText() ?? node.parent?.name?.getText?.() ?? 'a function';
      found.push({ file, name, line, lines: lineOf(node.getEnd()) - line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(syntax);
  return found;
}

function exportedFunctions(syntax) {
  const isExported = (node) =>
    node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
  return new Set(
    syntax.statements.flatMap((node) =>
      ts.isFunctionDeclaration(node) && isExported(node) && node.name !== undefined ? [node.name.text] : [],
    ),
  );
}

function countBy(items, keyOf) {
  const counts = new Map();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

/** The names that stand in more than one place. */
function twins(items, nameOf, placeOf) {
  const places = new Map();
  for (const item of items) places.set(nameOf(item), [...(places.get(nameOf(item)) ?? []), placeOf(item)]);
  return [...places].filter(([, all]) => all.length > 1);
}
