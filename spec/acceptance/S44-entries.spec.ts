import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import * as errors from '../../errors';
import { E, flow, O, pipe, t, TE } from '../../fp';
import * as millrace from '../../index';
import { pages, snippets, sources } from '../support/snippets';

const root = join(__dirname, '../..');

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

  it('every value of an entry stands in a snippet, or is an error with a row; S44-pages has the snippets compiled', () => {
    const codes = snippets.map(({ code }) => code).join('\n');
    const words = new Set(`${codes}\n${pages.get('docs/errors.md') ?? ''}`.match(/\w+/g));

    for (const source of sources.values()) {
      const values = Object.keys(jest.requireActual<object>(join(root, source)));
      expect(values.filter((name) => !words.has(name))).toEqual([]);
    }
  });
});
