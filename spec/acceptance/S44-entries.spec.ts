import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as errors from '../../errors';
import { E, flow, O, pipe, t, TE } from '../../fp';
import * as millrace from '../../index';
import { compileSnippets, pages, snippets } from '../support/snippets';
import type { CompiledSnippet, EntryNames } from '../support/snippets';

const root = join(__dirname, '../..');

/** What needs a key, a package of somebody else, or the built page of the inspector: the compiler has to do for these. */
const NOT_RUN = [
  'exportHtml',
  'aiSdkModel',
  'anthropicModel',
  'langChainModel',
  'openAiModel',
  'openAiResponsesModel',
];

/** The names that an entry exports, types too, read without the compiler: entries only list names. */
function namesOf(entry: string): readonly string[] {
  const text = readFileSync(join(root, entry), 'utf8');
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]*)\} from /gm)];
  if (lists.length !== text.match(/^export /gm)?.length)
    throw new Error(`${entry} has more than lists of names`);
  return lists.flatMap(([, names = '']) => names.match(/\w+(?=\s*(?:,|$))/g) ?? []);
}

describe('S44 the entries', () => {
  it('millrace has at most 120 names, types counted, each once', () => {
    const names = namesOf('index.ts');

    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeLessThanOrEqual(120);
    expect(Object.keys(millrace).filter((name) => !names.includes(name))).toEqual([]);
  });

  it('millrace/errors has every class of error of lib, the same class as elsewhere', () => {
    const declared = readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => [
        ...readFileSync(join(root, 'lib', file), 'utf8').matchAll(
          /^export (?:abstract )?class (\w+Error) /gm,
        ),
      ])
      .map(([, name]) => name);

    expect(Object.keys(errors).sort()).toEqual(declared.sort());
    expect(errors.RunError).toBe(millrace.RunError);
  });

  it('millrace/fp speaks with the codecs and the values of this library', () => {
    const length = pipe(
      'abc',
      t.string.decode,
      E.map((text) => text.length),
    );

    expect(length).toEqual(E.right(3));
    expect(flow(O.fromNullable, O.isNone)(null)).toBe(true);
    expect(TE.right).toBeInstanceOf(Function);
  });

  it('every entry is listed in package.json, has a source and a report of its surface', () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly exports: Readonly<Record<string, { readonly types?: string }>>;
    };
    const entries = Object.entries(exports).filter(([, { types }]) => types !== undefined);
    const reports = entries.map(([name]) => `${name === '.' ? 'millrace' : name.slice(2)}.api.md`);

    expect(readdirSync(join(root, 'api')).sort()).toEqual(reports.sort());
    for (const [, { types = '' }] of entries) {
      const source = types.replace('./dist/', '').replace(/\.d\.ts$/, '.ts');
      expect(existsSync(join(root, source))).toBe(true);
    }
  });
});

describe('S44 the pages', () => {
  let compiled: readonly CompiledSnippet[] = [];
  let names: ReadonlyMap<string, EntryNames> = new Map();

  beforeAll(() => {
    ({ compiled, names } = compileSnippets());
  }, 120_000);

  it('have only snippets that compile', () => {
    const mistakes = compiled.flatMap(({ page, nth, mistakes: found }) =>
      found.map((mistake) => `${page}, block ${String(nth)}, ${mistake}`),
    );

    expect(compiled).toHaveLength(snippets.length);
    expect(mistakes).toEqual([]);
  });

  it('have an example of every function and value, which is run, and a row for every error', () => {
    const tried = new Set(
      compiled.flatMap(({ imported, output }) =>
        [...imported].filter((name) => output !== undefined || NOT_RUN.includes(name)),
      ),
    );
    const rows = new Set(
      [...(pages.get('docs/errors.md') ?? '').matchAll(/^\| `\w+` +\| `(\w+)` /gm)].map(([, name]) => name),
    );

    expect(lacking(({ values }) => values.filter((name) => !tried.has(name) && !rows.has(name)))).toEqual({});
  });

  it('explain every type, where an example has such a value', () => {
    const explained = new Set(
      [...pages].flatMap(([page, text]) => {
        const ofPage = compiled.filter((one) => one.page === page);
        // In backticks: the words Tool or Window alone explain nothing.
        const said = [...text.replaceAll(/```.*?```/gs, '').matchAll(/`[^`]+`/g)].join(' ');
        const words = new Set(`${said} ${ofPage.map(({ code }) => code).join(' ')}`.match(/\w+/g));
        return ofPage.flatMap(({ types }) => [...types]).filter((type) => words.has(type));
      }),
    );

    expect(lacking(({ types }) => types.filter((name) => !explained.has(name)))).toEqual({});
  });

  /** The names that are missing, by entry; entries that lack none are left out. */
  function lacking(missingOf: (entry: EntryNames) => readonly string[]): Record<string, readonly string[]> {
    const missing = [...names].map(([entry, ofEntry]) => [entry, missingOf(ofEntry)] as const);
    return Object.fromEntries(missing.filter(([, found]) => found.length > 0));
  }
});
