import { compileSnippets, pages, snippets } from '../support/snippets';
import type { CompiledSnippet, EntryNames } from '../support/snippets';

/** What needs a key, a package of somebody else, or the built page of the inspector: the compiler has to do for these. */
const NOT_RUN = [
  'exportHtml',
  'aiSdkModel',
  'anthropicModel',
  'langChainModel',
  'openAiModel',
  'openAiResponsesModel',
];

describe('S44 the pages', () => {
  let compiled: readonly CompiledSnippet[] = [];
  let names: ReadonlyMap<string, EntryNames> = new Map();

  beforeAll(() => {
    ({ compiled, names } = compileSnippets());
  }, 600_000);

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
