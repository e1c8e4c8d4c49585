import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

const folder = join(__dirname, '..');
const root = join(folder, '../..');

/** What the compiler says of a source that is in no file. */
export interface Problem {
  readonly code: number;
  readonly message: string;
  /** The line it blames. */
  readonly line: string;
}

/** Sources that are in no file, as the compiler sees them. */
export interface Checked {
  /** What is wrong with one of them. */
  problemsOf(name: string): readonly Problem[];
  /** How many types and instantiations there are by now: a count, so no clock disturbs it. */
  types(): number;
}

/**
 * Checks sources as if they stood in this folder, with the settings of the project: each when it is asked for, and all as parts
 * of one program, since what they import takes seconds.
 */
export function checked(sources: Readonly<Record<string, string>>): Checked {
  const fileOf = (name: string): string => join(folder, `${name}.ts`);
  const texts = new Map(Object.entries(sources).map(([name, text]) => [fileOf(name), text]));
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const host = ts.createCompilerHost(options, true);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => texts.has(path) || fileExists.call(host, path);
  host.getSourceFile = (path, ...rest) => {
    const text = texts.get(path);
    if (text === undefined) return getSourceFile.call(host, path, ...rest);
    return ts.createSourceFile(path, text, {
      languageVersion: ts.ScriptTarget.ES2023,
      impliedNodeFormat: ts.ModuleKind.CommonJS,
    });
  };
  const program = ts.createProgram([...texts.keys()], { ...options, types: ['node'], noEmit: true }, host);
  return {
    problemsOf(name) {
      const source = program.getSourceFile(fileOf(name));
      return program.getSemanticDiagnostics(source).map(({ code, messageText, start = 0 }) => ({
        code,
        message: ts.flattenDiagnosticMessageText(messageText, '\n'),
        line: sources[name]?.split('\n')[source?.getLineAndCharacterOfPosition(start).line ?? 0] ?? '',
      }));
    },
    types: () => program.getInstantiationCount() + program.getTypeCount(),
  };
}
