// What an application does with the package, in each form in which people write it. Every form ends with the same line.
export const EXPECTED = 'ALL 3, then 3 reused, one class';

/** A workflow that fails once, is resumed, and reuses what was done. `load` brings what is imported. */
const body = (awaits) => `
let isDown = true;
let calls = 0;
const words = agent('words', (text) => { calls += 1; return text.split(' '); });
const count = agent('count', (all) => {
  if (isDown) { isDown = false; throw new Error('down'); }
  return all.length;
});
const store = memoryStore();
const self = chain('digest', words, count);
async function main() {
  let failure;
  try {
    await lastValueFrom(run(self, 'one two three', { store, runId: 'digest-1' }).pipe(outputs()));
  } catch (error) {
    failure = error;
  }
  if (failure === undefined) throw new Error('the run did not fail');
  const result = await lastValueFrom(run(self, 'one two three', { store, runId: 'digest-1' }).pipe(outputs()));
  const isOne = failure instanceof RunError && failure instanceof MillraceError;
  return \`ALL \${result}, then \${calls === 1 ? 3 : 0} reused, \${isOne ? 'one class' : 'two classes'}\`;
}
${awaits}
`;

const shown = 'main().then((line) => console.log(line));';
const names = '{ agent, chain, memoryStore, outputs, run }';

export const commonJs = `
const ${names} = require('millrace');
const { MillraceError, RunError } = require('millrace/errors');
const { lastValueFrom } = require('rxjs');
${body(shown)}`;

const imports = `
import ${names} from 'millrace';
import { MillraceError, RunError } from 'millrace/errors';
import { lastValueFrom } from 'rxjs';
`;
export const esModule = imports + body(shown);
export const exported = imports + body('export { main };');

/** Loads the package by \`require\` and by \`import\`: both must give the same classes. */
export const both = `
import { createRequire } from 'node:module';
import * as imported from 'millrace/errors';
import { RunError as viaIndex } from 'millrace/errors';
const required = createRequire(import.meta.url)('millrace/errors');
for (const name of Object.keys(required))
  if (required[name] !== imported[name]) throw new Error(\`two copies of \${name}\`);
const all = await import('millrace');
const again = createRequire(import.meta.url)('millrace');
for (const name of Object.keys(again)) if (again[name] !== all[name]) throw new Error(\`two copies of \${name}\`);
console.log('${EXPECTED}');
`;

/** Types are inferred, and a wrong wiring does not compile. */
export const typed = `
import { agent, chain, execute, memoryStore, run, workflow, type RunState, type Store, type Wire } from 'millrace';
import { RunError } from 'millrace/errors';
import { timeline } from 'millrace/history';
import { t } from 'millrace/fp';
import { storeContract, fakeModel } from 'millrace/testing';
import { toolLoop } from 'millrace/ai';

const words = agent('words', (text: string) => text.split(' '));
const count = agent('count', (all: string[]) => all.length, { output: t.number });
const self = chain('digest', words, count);
const flow = workflow('flow', (text: Wire<string>, step) => step('digest', self, text));
// @ts-expect-error -- a number does not fit where a text is expected
chain('wrong', count, words);
const store: Store = memoryStore();
export const answer: Promise<RunState<number>> = execute(flow, 'a b', { store });
run(self, 'a b').subscribe(({ event, state }) => { console.log(event.type, state.status); });
export const all = [RunError, timeline, storeContract, fakeModel, toolLoop] as const;
`;
