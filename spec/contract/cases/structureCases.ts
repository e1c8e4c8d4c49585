import { map } from 'rxjs';

import type { Live, Wire } from '../../../index';
import { agent, bail, chain, live, pick, quorum, settled, workflow } from '../../../index';
import type { EngineCase } from '../engineCase';
import { broken, dated, hanging, inner, later, plus, shout, twice, upper, words } from './agents';

const say = agent('say', (given: Live<string>) => given.pipe(map((word) => word.toUpperCase())), {
  reduce: { fold: (all: string, word: string) => all + word, seed: '' },
});

const checked = chain(
  'checked',
  agent('check', (text: string) => (text === '' ? bail('nothing to do') : text)),
  upper,
);

/** Chains and workflows. */
export const structureCases: readonly EngineCase[] = [
  { title: 'a chain', agent: chain('three', upper, later, twice), input: 'a', gives: 'A~A~' },
  { title: 'a chain with one agent twice', agent: chain('again', twice, twice), input: 'a', gives: 'aaaa' },
  {
    title: 'a chain with an operator',
    agent: chain(
      'mapped',
      upper,
      map((text: string) => text.length),
      plus,
    ),
    input: 'abc',
    gives: 4,
  },
  {
    title: 'a chain that fails half-way',
    agent: chain('half', upper, broken, twice),
    input: 'a',
    gives: 'RangeError',
  },
  {
    title: 'a chain of codecs',
    agent: chain(
      'year',
      dated,
      agent('yearOf', (date: Date) => date.getUTCFullYear()),
    ),
    input: 0,
    gives: 1970,
  },
  { title: 'a chain that ends early', agent: checked, input: '', gives: 'nothing to do' },
  {
    title: 'a workflow: a chain in it that ends early',
    agent: workflow('around', (text: Wire<string>, step) =>
      step('end', twice, step('checked', checked, text)),
    ),
    input: '',
    gives: 'nothing to donothing to do',
  },
  {
    title: 'a workflow: a diamond',
    agent: workflow('diamond', (text: Wire<string>, step) => {
      const a = step('a', upper, text);
      const b = step('b', later, a);
      const c = step('c', twice, a);
      return step('join', ({ x, y }: { x: string; y: string }) => `${x}|${y}`, { x: b, y: c });
    }),
    input: 'a',
    gives: 'A~|AA',
  },
  {
    title: 'a workflow: nested structures and a tuple as the result',
    agent: workflow('nested', (text: Wire<string>, step) => {
      const a = step('first', inner, text);
      const b = step(
        'shout',
        shout,
        pick(a, ({ b: given }) => given),
      );
      return [a, b, pick(text, (all) => all.length)];
    }),
    input: 'ab',
    gives: [{ a: 'AB', b: 'ab~' }, 'AB~AB~', 2],
  },
  {
    title: 'a workflow: steps with a condition',
    agent: workflow('conditions', (n: Wire<number>, step) => ({
      yes: step('yes', plus, n, { when: (given) => given > 0 }),
      no: step('no', plus, n, { when: (given) => given < 0 }),
      other: step('other', plus, n, { when: () => false, otherwise: 'nobody' }),
    })),
    input: 1,
    gives: { yes: 2, no: undefined, other: 'nobody' },
  },
  {
    title: 'a workflow: a condition that throws',
    agent: workflow('badCondition', (n: Wire<number>, step) =>
      step('never', plus, n, {
        when: () => {
          throw new TypeError('cannot tell');
        },
      }),
    ),
    input: 1,
    gives: 'TypeError',
  },
  {
    title: 'a workflow: a failure that is settled',
    agent: workflow('settling', (text: Wire<string>, step) =>
      settled({ good: step('good', upper, text), bad: step('bad', broken, text) }),
    ),
    input: 'a',
    gives: {
      good: { _tag: 'Right', right: 'A' },
      bad: { _tag: 'Left', left: { name: 'RangeError', message: 'broken for good', path: 'bad' } },
    },
  },
  {
    title: 'a workflow: two of three',
    agent: workflow('quorate', (text: Wire<string>, step) => {
      const a = step('a', upper, text);
      const b = step('b', twice, text);
      // It comes last, however long each of them takes.
      const c = step('c', ({ x, y }: { x: string; y: string }) => `${x}|${y}`, { x: a, y: b });
      return { first: quorum(2, [a, b, c]), c };
    }),
    input: 'a',
    gives: { first: ['A', 'aa'], c: 'A|aa' },
  },
  {
    title: 'a workflow: a quorum withdraws what it does without',
    isInOneGo: true,
    agent: workflow('withdrawing', (text: Wire<string>, step) => {
      const hangs = step('hangs', hanging, text);
      const votes = [step('a', upper, text), hangs, step('b', later, text), step('after', upper, hangs)];
      return step('join', (all: readonly string[]) => all.join('|'), quorum(2, votes));
    }),
    input: 'a',
    gives: 'A|a~',
  },
  {
    title: 'a workflow: a quorum that is missed because of skipped steps',
    agent: workflow('missing', (text: Wire<string>, step) => {
      const votes = [step('a', upper, text, { when: () => false, otherwise: '' }), step('b', later, text)];
      return { votes: quorum(2, votes) };
    }),
    input: 'a',
    gives: 'QuorumError',
  },
  {
    title: 'a workflow: a failure stops what runs beside it',
    isInOneGo: true,
    agent: workflow('stopping', (text: Wire<string>, step) => {
      const slow = step('slow', hanging, text);
      const bad = step('bad', broken, step('later', later, text));
      return { slow, bad };
    }),
    input: 'a',
    gives: 'RangeError',
  },
  {
    title: 'a workflow: a step that reads another one live',
    isInOneGo: true,
    agent: workflow('spoken', (text: Wire<string>, step) => {
      const made = step('words', words, text);
      const said = step('said', say, live(made));
      return { made, said };
    }),
    input: 'a b c',
    gives: { made: 'c', said: 'ABC' },
  },
];
