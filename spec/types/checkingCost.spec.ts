import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

/** A workflow of so many steps with joins, inferred all the way. */
function generated(steps: number): string {
  const lines = Array.from({ length: steps }, (_, index) => {
    const id = String(index);
    if (index === 0) return `  const w0 = step('s0', first, input);`;
    const before = String(index - 1);
    if (index % 5 === 0)
      return `  const w${id} = step('s${id}', ({ a, b }) => ({ n: a.n + b.n }), { a: w${before}, b: w${String(index - 2)} });`;
    return `  const w${id} = step('s${id}', next, w${before});`;
  });
  return [
    `import { agent, workflow } from '../../index';`,
    `import type { Wire } from '../../index';`,
    `const first = agent('first', (text: string) => ({ n: text.length }));`,
    `const next = agent('next', async ({ n }: { n: number }) => Promise.resolve({ n: n + 1 }));`,
    `export const w = workflow('w', (input: Wire<string>, step) => {`,
    ...lines,
    `  return w${String(steps - 1)};`,
    `});`,
  ].join('\n');
}

const parsed = new Map<string, ts.SourceFile | undefined>();

/** How many types and instantiations it takes to check a workflow of so many steps: a count, so no clock disturbs it. */
function costOf(steps: number): number {
  const name = join(__dirname, `generated${String(steps)}.ts`);
  const config = ts.readConfigFile(join(__dirname, '../../tsconfig.json'), (path) =>
    readFileSync(path, 'utf8'),
  );
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, join(__dirname, '../..'));
  const host = ts.createCompilerHost(options, true);
  const { getSourceFile, fileExists } = host;
  const text = generated(steps);
  host.fileExists = (path) => path === name || fileExists.call(host, path);
  host.getSourceFile = (path, ...rest) =>
    path === name
      ? ts.createSourceFile(path, text, {
          languageVersion: ts.ScriptTarget.ES2023,
          impliedNodeFormat: ts.ModuleKind.CommonJS,
        })
      : cached(path, () => getSourceFile.call(host, path, ...rest));
  const program = ts.createProgram(
    [name],
    { ...options, types: ['node'], noEmit: true, noUnusedLocals: false },
    host,
  );
  const source = program.getSourceFile(name);
  const problems = program
    .getSemanticDiagnostics(source)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  expect(problems).toEqual([]);
  return program.getInstantiationCount() + program.getTypeCount();
}

function cached(path: string, parse: () => ts.SourceFile | undefined): ts.SourceFile | undefined {
  if (!parsed.has(path)) parsed.set(path, parse());
  return parsed.get(path);
}

describe('type-checking a workflow', () => {
  it('costs about the same for each of 200 steps as for each of 20', () => {
    const none = costOf(1);
    const perStep = (steps: number): number => (costOf(steps) - none) / (steps - 1);

    expect(perStep(200) / perStep(20)).toBeLessThan(1.5);
  }, 60_000);
});
