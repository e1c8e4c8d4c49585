import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';

const folder = join(__dirname, '..');
const parsed = new Map<string, ts.SourceFile | undefined>();

/** What the compiler says of a source that is in no file. */
export interface Problem {
  readonly code: number;
  readonly message: string;
  /** The line it blames. */
  readonly line: string;
}

/** Checks a source as if it stood in this folder, with the settings of the project. */
export function checked(name: string, text: string): readonly Problem[] {
  const file = join(folder, `${name}.ts`);
  const root = join(folder, '../..');
  const config = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => readFileSync(path, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const host = ts.createCompilerHost(options, true);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === file || fileExists.call(host, path);
  host.getSourceFile = (path, ...rest) => {
    if (path === file) {
      return ts.createSourceFile(path, text, {
        languageVersion: ts.ScriptTarget.ES2023,
        impliedNodeFormat: ts.ModuleKind.CommonJS,
      });
    }
    if (!parsed.has(path)) parsed.set(path, getSourceFile.call(host, path, ...rest));
    return parsed.get(path);
  };
  const program = ts.createProgram([file], { ...options, types: ['node'], noEmit: true }, host);
  const source = program.getSourceFile(file);
  return program.getSemanticDiagnostics(source).map(({ code, messageText, start = 0 }) => ({
    code,
    message: ts.flattenDiagnosticMessageText(messageText, '\n'),
    line: text.split('\n')[source?.getLineAndCharacterOfPosition(start).line ?? 0] ?? '',
  }));
}
