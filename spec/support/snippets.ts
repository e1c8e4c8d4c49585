import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as ts from 'typescript';

const root = join(__dirname, '../..');

/** A `ts` block of a page. */
export interface Snippet {
  readonly page: string;
  /** Its place among the blocks of its page, from 1 on. */
  readonly nth: number;
  readonly code: string;
  /** What the page shows below it; `undefined` for a block that is not run. */
  readonly output: string | undefined;
}

/** Every page of the documentation with its text, README first. */
export const pages: ReadonlyMap<string, string> = new Map(
  [
    'README.md',
    'README.ko.md',
    ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .sort()
      .map((file) => `docs/${file}`),
  ].map((page) => [page, readFileSync(join(root, page), 'utf8')]),
);

export const snippets: readonly Snippet[] = [...pages].flatMap(([page, text]) =>
  [...text.matchAll(/```ts\n(.*?)```(?:\n\n```console\n(.*?)```)?/gs)].map(
    ([, code = '', output], index) => ({
      page,
      nth: index + 1,
      code,
      output,
    }),
  ),
);

/** The blocks whose output the page shows. */
export const shown = snippets.filter(
  (one): one is Snippet & { readonly output: string } => one.output !== undefined,
);

/** An event as the README shows it: its type and what matters, the rest as `…`. */
export function shortened(output: string): string {
  return output.replace(/\{\n {2}type: '[\s\S]*?\n\}/g, (printed) => {
    const field = (key: string): string[] =>
      new RegExp(`^  (${key}: .*?),?$`, 'm').exec(printed)?.slice(1) ?? [];
    const shown = printed.includes("'run.started'")
      ? field('name')
      : [...field('path'), ...(printed.includes("'run.completed'") ? field('output') : [])];
    return `{ ${[...field('type'), ...shown].join(', ')}, … }`;
  });
}

const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly types?: string }>>;
};

/** The sources of the entries that have types, by the name under which they are imported. */
export const sources: ReadonlyMap<string, string> = new Map(
  Object.entries(entries).flatMap(([name, { types }]) =>
    types === undefined
      ? []
      : [[name.replace('.', 'millrace'), types.replace('./dist/', './').replace('.d.ts', '.ts')]],
  ),
);

export interface CompiledSnippet extends Snippet {
  /** What the compiler says against it, each with its line. */
  readonly mistakes: readonly string[];
  /** The values that it imports of this package. */
  readonly imported: ReadonlySet<string>;
  /** The types of all values in it, and of what these hold. */
  readonly types: ReadonlySet<string>;
}

export interface EntryNames {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

/** Cannot find name, did you mean, no value for the shorthand: what a fragment takes for granted. */
const OPEN = [2304, 2552, 18004];
/** Parameters that are `any`, since what the function is given to is open. */
const OF_OPEN = [7006, 7031];
/** A package of others that is not installed here, or has no types: its names are `any`. */
const OF_OTHERS = [2307, 7016];

/**
 * Compiles all snippets against the sources, as strictly as an application would.
 *
 * A fragment may leave names open. Those of the entries and of RxJS are imported for it, so that their use is checked; others
 * are `any`.
 */
export function compileSnippets(): {
  readonly compiled: readonly CompiledSnippet[];
  readonly names: ReadonlyMap<string, EntryNames>;
} {
  const texts = new Map(
    snippets.map((snippet, index) => [
      join(root, 'node_modules', `snippet${String(index)}.ts`),
      `${snippet.code}\nexport {};\n`,
    ]),
  );
  const first = programOf(texts);
  const names = new Map([...sources].map(([entry, file]) => [entry, namesOf(first, join(root, file))]));
  const ours = new Map([
    ...['concat', 'from', 'merge', 'of', 'retry', 'throwError', 'timer'].map(
      (name) => [name, 'rxjs'] as const,
    ),
    ...[...names].reverse().flatMap(([entry, { values }]) => values.map((name) => [name, entry] as const)),
  ]);

  const open = new Map([...texts.keys()].map((file) => [file, openNames(first, file)]));
  const completed = [...texts].map(([file, text]) => {
    const added = [...(open.get(file) ?? [])].map((name) =>
      ours.has(name) ? `import { ${name} } from '${String(ours.get(name))}';` : `declare const ${name}: any;`,
    );
    return [file, `${text}${added.join('\n')}`] as const;
  });
  const program = programOf(new Map(completed), first);

  const compiled = [...texts.keys()].map((file, index) => {
    const tolerated = [...OF_OTHERS, ...(open.get(file)?.size === 0 ? [] : OF_OPEN)];
    return {
      ...snippets[index]!,
      mistakes: mistakesOf(program, file)
        .filter(({ code }) => !tolerated.includes(code))
        .map(told),
      imported: importedBy(texts.get(file)!),
      types: typesIn(program, file),
    };
  });
  return { compiled, names };
}

function programOf(texts: ReadonlyMap<string, string>, before?: ts.Program): ts.Program {
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    // As in a bundler, so that a fragment may await.
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: ['node'],
    paths: Object.fromEntries([...sources].map(([name, file]) => [name, [join(root, file)]])),
    strict: true,
    noUnusedLocals: true,
    // As `tsc --init` writes it.
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => texts.has(file) || fileExists(file);
  host.getSourceFile = (file, version, ...rest) => {
    const text = texts.get(file);
    return text === undefined
      ? (before?.getSourceFile(file) ?? getSourceFile(file, version, ...rest))
      : // An ES module, whatever the package.json of this repository says.
        ts.createSourceFile(file, text, ts.ScriptTarget.ES2023);
  };
  return ts.createProgram(
    [...[...sources.values()].map((file) => join(root, file)), ...texts.keys()],
    options,
    host,
  );
}

function mistakesOf(program: ts.Program, file: string): readonly ts.Diagnostic[] {
  const source = program.getSourceFile(file);
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
}

function told({ file, start = 0, messageText }: ts.Diagnostic): string {
  const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
  return `line ${String(line)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
}

function openNames(program: ts.Program, name: string): ReadonlySet<string> {
  return new Set(
    mistakesOf(program, name)
      .filter(({ code }) => OPEN.includes(code))
      .map(({ file, start = 0, length = 0 }) => file!.text.slice(start, start + length)),
  );
}

function importedBy(code: string): ReadonlySet<string> {
  const lists = [...code.matchAll(/import \{([^}]*)\} from 'millrace(?:\/[\w-]+)?'/g)];
  return new Set(lists.flatMap(([, list = '']) => list.replaceAll(/\btype \w+/g, '').match(/\w+/g) ?? []));
}

function namesOf(program: ts.Program, file: string): EntryNames {
  const checker = program.getTypeChecker();
  const exported = checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)!)!)
    .map((symbol) => ({
      name: symbol.name,
      // A class of which an entry exports the type alone is no value of it.
      isValue:
        symbol.declarations?.some(ts.isTypeOnlyExportDeclaration) !== true &&
        (resolved(checker, symbol).flags & ts.SymbolFlags.Value) !== 0,
    }));
  return {
    values: exported.filter(({ isValue }) => isValue).map(({ name }) => name),
    types: exported.filter(({ isValue }) => !isValue).map(({ name }) => name),
  };
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** The names of the types that a file makes or receives: of all its expressions, and of what functions that it calls take. */
function typesIn(program: ts.Program, file: string): ReadonlySet<string> {
  const checker = program.getTypeChecker();
  const found = new Set<string>();
  const seen = new Set<ts.Type>();

  const addType = (type: ts.Type | undefined): void => {
    if (type === undefined || seen.has(type)) return;
    seen.add(type);
    if (type.aliasSymbol !== undefined) found.add(type.aliasSymbol.name);
    type.aliasTypeArguments?.forEach(addType);
    if (type.isUnionOrIntersection()) {
      type.types.forEach(addType);
      return;
    }
    if ((type.flags & ts.TypeFlags.Object) === 0) return;
    checker.getTypeArguments(type as ts.TypeReference).forEach(addType);
    // Types of the compiler's own making have no symbol, whatever its declarations say.
    const symbol = type.symbol as ts.Symbol | undefined;
    if (symbol === undefined) return;
    found.add(symbol.name);
    // What holds a value hands it on; what its methods would give is not here yet.
    const isOfOthers = symbol.declarations?.some((one) =>
      one.getSourceFile().fileName.includes('/node_modules/'),
    );
    if (isOfOthers === true && !symbol.name.startsWith('__')) return;
    for (const property of checker.getPropertiesOfType(type)) {
      if ((property.flags & ts.SymbolFlags.Property) === 0) continue;
      addType(checker.getTypeOfSymbol(property));
      const declared = property.valueDeclaration;
      if (declared !== undefined && ts.isPropertySignature(declared)) addDeclared(declared.type);
    }
  };
  /** The names in a declaration: what is optional, or stands for another name, loses its own as a type. */
  const addDeclared = (node: ts.Node | undefined): void => {
    if (node === undefined) return;
    if (ts.isTypeReferenceNode(node)) {
      found.add((ts.isQualifiedName(node.typeName) ? node.typeName.right : node.typeName).text);
      addType(checker.getTypeFromTypeNode(node));
    }
    ts.forEachChild(node, addDeclared);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isExpression(node)) {
      addType(checker.getTypeAtLocation(node));
      addType(checker.getContextualType(node));
    } else if (ts.isTypeReferenceNode(node)) addDeclared(node);
    if (ts.isCallExpression(node)) {
      const called = checker.getResolvedSignature(node)?.declaration;
      if (called !== undefined && !ts.isJSDocSignature(called)) {
        for (const { type } of called.parameters.slice(0, node.arguments.length)) addDeclared(type);
        addDeclared(called.type);
      }
    }
    ts.forEachChild(node, visit);
  };
  ts.forEachChild(program.getSourceFile(file)!, visit);
  return found;
}
