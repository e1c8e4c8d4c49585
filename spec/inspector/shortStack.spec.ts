import { shortStack } from '../../inspector/shortStack';

const text = `(()%3D%3E%7B${'var%20x%3D1%3B'.repeat(100)}%7D)()`;

describe('shortStack()', () => {
  it.each([
    [
      `    at data:text/javascript,${text}%0A?filePath=%2Fhome%2F%EC%A7%91%2Fflows.ts:2:8`,
      '    at /home/집/flows.ts',
    ],
    [
      `    at charge (data:text/javascript,${text}?filePath=%2Fhome%2Fflows.ts%3Fnamespace%3Dcf08:2:878)`,
      '    at charge (/home/flows.ts)',
    ],
    [`    at data:text/javascript,${text}?filePath=%2Fhome%2F%EC:2:8`, '    at %2Fhome%2F%EC'],
    ['    at charge (/home/flows.ts:3:7)', '    at charge (/home/flows.ts:3:7)'],
  ])('names the file of a module that is its whole text', (line, shown) => {
    expect(shortStack(`${line}\n    at next`)).toBe(`${shown}\n    at next`);
  });

  it.each([
    `    at data:text/javascript,${text}:2:878`,
    `    at ${'a/'.repeat(100)}flows.ts:2:878`,
    `    at data:text/javascript,__filename%3D%22%EC%A7${text}`,
  ])('keeps the beginning and the end of other long lines, and 120 characters', (line) => {
    const shown = shortStack(line);

    expect(shown).toHaveLength(120);
    expect(shown.startsWith('    at ')).toBe(true);
    expect(shown.endsWith(line.slice(-10))).toBe(true);
  });
});
