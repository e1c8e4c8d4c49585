import type { Either } from 'fp-ts/lib/Either';
import { left, right } from 'fp-ts/lib/Either';

import { DefinitionError } from '../errors/definitionErrors';
import type { GivenBy } from '../model/givenBy';
import { givenByFields, givenByItems } from '../model/givenBy';
import type { Answer } from './scope';
import { givenByOf } from './scope';
import type { SettledFailure, Source, WireNode, WireOwner } from './wire';
import { nodeOf, partsOf } from './wire';

/** A source made ready for running: what it waits for, and how its value is read once that is there. */
export interface CompiledSource {
  /** The steps it waits for one by one, each once. */
  readonly edges: readonly Edge[];
  /** The steps of these that it reads live. */
  readonly live: readonly number[];
  /** Those among them whose partial results are saved, for when it is resumed. */
  readonly kept: readonly number[];
  /** The groups it waits for. */
  readonly groups: readonly Group[];
  /** What it reads, as text, one entry a wire. */
  readonly text: readonly string[];
  /** How they are put together, as text; undefined for one wire that is read as it is. */
  readonly reads: string | undefined;
  /** The same as data, for pictures: ids may hold whatever the texts are made of. */
  readonly arrows: readonly Arrow[];
  /** What else decides its value: how it is put together, and the functions of `pick`. */
  readonly madeWith: readonly unknown[];
  readonly read: (reading: Reading) => unknown;
  /** Who gave the parts of what was read. */
  readonly givenBy: (reading: Reading, value: unknown) => GivenBy | undefined;
}

/** One wire: from the input or from the step with this index, and how it is read. */
export interface Arrow {
  readonly from: number | 'input';
  readonly mode: 'value' | 'settled' | 'live' | 'quorum';
}

/** Waiting for one step: for its output, for its end of any kind, or for its start. */
export interface Edge {
  readonly from: number;
  readonly mode: 'value' | 'settled' | 'live';
  /** Whether what is read live is saved. */
  readonly isKept?: boolean;
}

/** Waiting for `count` members; a member is done when all its steps have completed. */
export interface Group {
  readonly count: number;
  readonly members: readonly (readonly number[])[];
  /** Once it is made, what only its other members need is withdrawn. */
  readonly cancelRest: boolean;
}

/** Where a source is read from while a workflow runs. */
export interface Reading {
  readonly input: unknown;
  /** By index of the step. */
  readonly answers: readonly (Answer | undefined)[];
  /** Members of a group that completed first, in the order of the sources. */
  chosen(group: Group): readonly number[];
  /** The partial results of a step, as a stream. */
  live(step: number): unknown;
}

interface Parsed {
  readonly steps: readonly Edge[];
  readonly groups: readonly Group[];
  readonly text: readonly string[];
  readonly arrows: readonly Arrow[];
  /** How it is written, without functions. */
  readonly written: string;
  /** The functions in it, in the order of `written`. */
  readonly functions: readonly unknown[];
  readonly read: (reading: Reading) => unknown;
  /** Absent when no single agent gave the value unchanged. */
  readonly givenBy?: CompiledSource['givenBy'];
}

/**
 * Makes a source ready for running.
 *
 * @param isTold - Whether it says how it reads.
 * @throws DefinitionError when a wire belongs to another workflow, or the value is not a source.
 */
export function compileSource(
  owner: WireOwner,
  source: Source,
  where: string,
  isTold = true,
): CompiledSource {
  const parsed = parse(owner, source, where);
  const modes = new Map<string, Edge>();
  for (const edge of parsed.steps) {
    const isLive = edge.mode === 'live';
    const key = `${isLive ? 'live' : 'end'} ${String(edge.from)}`;
    if (edge.mode !== 'settled' || !modes.has(key)) modes.set(key, edge);
  }
  const edges = [...modes.values()];
  return {
    edges,
    live: edges.flatMap(({ from, mode }) => (mode === 'live' ? [from] : [])),
    kept: parsed.steps.flatMap(({ from, isKept }) => (isKept === true ? [from] : [])),
    groups: parsed.groups,
    text: [...new Set(parsed.text)],
    reads: isTold && parsed.text[0] !== parsed.written ? cut(parsed.written) : undefined,
    arrows: parsed.arrows,
    madeWith: [parsed.written, ...parsed.functions],
    read: parsed.read,
    givenBy: parsed.givenBy ?? (() => undefined),
  };
}

function parse(owner: WireOwner, source: Source, where: string): Parsed {
  const node = nodeOf(source);
  switch (node?.kind) {
    case undefined:
      return join(owner, source, where);
    case 'input':
      refuseStranger(owner, node.owner, where, 'the input');
      return {
        steps: [],
        groups: [],
        text: ['input'],
        written: 'input',
        functions: [],
        arrows: [{ from: 'input', mode: 'value' }],
        read: (reading) => reading.input,
      };
    case 'step': {
      refuseStranger(owner, node.owner, where, `step "${node.id}"`);
      const { index } = node;
      return {
        steps: [{ from: index, mode: 'value' }],
        groups: [],
        text: [node.id],
        written: node.id,
        functions: [],
        arrows: [{ from: index, mode: 'value' }],
        read: (reading) => outputOf(reading.answers[index]),
        givenBy: ({ answers }) => {
          const answer = answers[index];
          return answer === undefined ? undefined : givenByOf(answer);
        },
      };
    }
    case 'pick': {
      const of = parse(owner, node.of, where);
      const project = node.project as (value: unknown) => unknown;
      const { givenBy: _, ...rest } = of;
      return {
        ...rest,
        written: `pick(${of.written})`,
        functions: [project, ...of.functions],
        read: (reading) => project(of.read(reading)),
      };
    }
    case 'settled':
      return settle(parse(owner, node.of, where), node.of, owner, where);
    case 'quorum':
      return quorum(owner, node, where);
    case 'live': {
      const of = nodeOf(node.of);
      if (of?.kind !== 'step')
        throw new DefinitionError(owner.name, `${where}: live() takes the wire of a step`);
      refuseStranger(owner, of.owner, where, `step "${of.id}"`);
      // JavaScript may give anything.
      if (!['all', 'none'].includes(node.keep))
        throw new DefinitionError(owner.name, `${where}: live() keeps 'all' or 'none', got ${node.keep}`);
      const { index } = of;
      return {
        steps: [{ from: index, mode: 'live', isKept: node.keep === 'all' }],
        groups: [],
        text: [`live(${of.id})`],
        written: `live(${of.id})`,
        functions: [],
        arrows: [{ from: index, mode: 'live' }],
        read: (reading) => reading.live(index),
      };
    }
  }
}

function join(owner: WireOwner, source: Source, where: string): Parsed {
  const parts = partsOf(owner, source, where).map(
    ([key, part]) => [key, parse(owner, part, `${where}.${key}`)] as const,
  );
  const read = Array.isArray(source)
    ? (reading: Reading) => parts.map(([, part]) => part.read(reading))
    : (reading: Reading) => {
        const record: Record<string, unknown> = {};
        for (const [key, part] of parts) {
          if (key === '__proto__')
            Object.defineProperty(record, key, { value: part.read(reading), enumerable: true });
          else record[key] = part.read(reading);
        }
        return record;
      };
  const givenBy: CompiledSource['givenBy'] = (reading, value) => {
    if (Array.isArray(value)) {
      return givenByItems(
        parts.map(([, part], index) => part.givenBy?.(reading, value[index])),
        gapsIn(value),
      );
    }
    const record = value as Readonly<Record<string, unknown>>;
    return givenByFields(
      parts.flatMap(([key, part]) =>
        key === '__proto__' ? [] : [[key, part.givenBy?.(reading, record[key])] as const],
      ),
    );
  };
  const inside = parts.map(([key, { written }]) => (Array.isArray(source) ? written : `${key}: ${written}`));
  const written = Array.isArray(source) ? `[${inside.join(', ')}]` : `{ ${inside.join(', ')} }`;
  return { ...together(parts.map(([, part]) => part)), written, read, givenBy };
}

function together(parts: readonly Parsed[]): Omit<Parsed, 'written' | 'read' | 'givenBy'> {
  return {
    steps: parts.flatMap((part) => part.steps),
    groups: parts.flatMap((part) => part.groups),
    text: parts.flatMap((part) => part.text),
    arrows: parts.flatMap((part) => part.arrows),
    functions: parts.flatMap((part) => part.functions),
  };
}

/** Every wire within becomes an `Either`; what it waits for may fail. */
function settle(all: Parsed, source: Source, owner: WireOwner, where: string): Parsed {
  if (all.groups.length > 0)
    throw new DefinitionError(owner.name, `${where}: settled() cannot stand around quorum()`);
  const either = (of: Source): ((reading: Reading) => unknown) => {
    if (nodeOf(of) === undefined) {
      const parts = partsOf(owner, of, where).map(([key, part]) => [key, either(part)] as const);
      return (reading) =>
        Array.isArray(of)
          ? parts.map(([, read]) => read(reading))
          : Object.fromEntries(parts.map(([key, read]) => [key, read(reading)]));
    }
    const parsed = parse(owner, of, where);
    return (reading): Either<SettledFailure, unknown> => {
      for (const { from } of parsed.steps) {
        const answer = reading.answers[from];
        if (answer?.kind === 'failed') {
          const { name, message, path = '' } = answer.failure;
          return left({ name, message, path });
        }
      }
      return right(parsed.read(reading));
    };
  };
  return {
    steps: all.steps.map(({ from, mode }) => ({ from, mode: mode === 'live' ? mode : 'settled' })),
    groups: [],
    text: [`settled(${all.text.join(', ')})`],
    written: `settled(${all.written})`,
    functions: all.functions,
    arrows: all.arrows.map(({ from, mode }) => ({ from, mode: mode === 'live' ? mode : 'settled' })),
    read: either(source),
  };
}

type QuorumNode = Extract<WireNode, { readonly kind: 'quorum' }>;

function quorum(owner: WireOwner, { of, count, cancelRest }: QuorumNode, where: string): Parsed {
  const members = partsOf(owner, of, where).map(([key, part]) => parse(owner, part, `${where}.${key}`));
  if (!Number.isInteger(count) || count < 1 || count > members.length) {
    const size = String(members.length);
    throw new DefinitionError(
      owner.name,
      `${where}: quorum(${String(count)}) of ${size} sources; give 1 to ${size}`,
    );
  }
  if (members.some((member) => member.steps.length + member.groups.length === 0)) {
    throw new DefinitionError(owner.name, `${where}: quorum() takes wires of steps, not the input`);
  }
  if (members.some((member) => member.groups.length > 0)) {
    throw new DefinitionError(owner.name, `${where}: quorum() cannot stand inside quorum()`);
  }
  const group: Group = {
    count,
    members: members.map(({ steps }) => [...new Set(steps.map(({ from }) => from))]),
    cancelRest,
  };
  return {
    steps: [],
    groups: [group],
    written: `quorum(${String(count)} of [${members.map(({ written }) => written).join(', ')}])`,
    functions: members.flatMap(({ functions }) => functions),
    text: [`quorum(${String(count)} of ${members.flatMap(({ text }) => text).join(', ')})`],
    arrows: members.flatMap(({ arrows }) => arrows.map(({ from }) => ({ from, mode: 'quorum' as const }))),
    read: (reading) => reading.chosen(group).map((member) => members[member]?.read(reading)),
    givenBy: (_, value) => givenByItems([], Array.isArray(value) ? gapsIn(value) : []),
  };
}

/** Indexes of what is undefined in a list. */
function gapsIn(list: readonly unknown[]): readonly number[] {
  return list.flatMap((part, index) => (part === undefined ? [index] : []));
}

function refuseStranger(owner: WireOwner, other: WireOwner, where: string, what: string): void {
  if (owner === other) return;
  throw new DefinitionError(
    owner.name,
    `${where} reads ${what} of workflow "${other.name}"; wire only its own steps`,
  );
}

function outputOf(answer: Answer | undefined): unknown {
  return answer === undefined || answer.kind === 'failed' ? undefined : answer.output;
}

/** A plan of ten thousand steps that each read all before them would be made of their ids. */
const LONGEST_TEXT = 2_000;

function cut(text: string): string {
  return text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT - 1)}…`;
}
