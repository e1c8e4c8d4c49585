import type { Either } from 'fp-ts/lib/Either';
import { isLeft, isRight, right } from 'fp-ts/lib/Either';
import * as t from 'io-ts';

import type { DagStep } from '../../../lib/definition/dag';
import type { OutputForm } from '../../../lib/definition/definition';
import { definitionOf, outputFormOf } from '../../../lib/definition/definition';
import type { Source } from '../../../lib/definition/wire';
import { nodeOf } from '../../../lib/definition/wire';
import type { GivenBy } from '../../../lib/model/givenBy';
import { gapsOf, givenByPart } from '../../../lib/model/givenBy';

type Codec = t.Type<unknown, unknown>;

/** The form of what an agent gives. */
export function formOf(agent: unknown): OutputForm {
  const definition = definitionOf(agent);
  return definition === undefined ? plain : outputFormOf(definition);
}

/** What is saved as it is. */
export const plain: OutputForm = () => undefined;

/**
 * The form in which a list of outputs is saved: each in the form of its agent. JSON keeps no `undefined` in an array: there it
 * is null, and the record says which items are gaps.
 */
export function listForm(agent: unknown): OutputForm {
  const form = formOf(agent);
  return (givenBy) => itemsCodec((index) => form(givenByPart(givenBy, index)), gapsOf(givenBy));
}

/** The same for a list of which only is known which items are undefined. */
const gatheredForm: OutputForm = (givenBy) => {
  const gaps = gapsOf(givenBy);
  return gaps === undefined ? undefined : itemsCodec(() => undefined, gaps);
};

/** The same for a list of a known length, whose items have a form each. */
function tupleForm(forms: readonly OutputForm[]): OutputForm {
  return (givenBy) => itemsCodec((index) => forms[index]?.(givenByPart(givenBy, index)), gapsOf(givenBy));
}

/** The same for a record: what is undefined is left out, as everywhere; nothing is checked that has no codec. */
function recordForm(forms: ReadonlyMap<string, OutputForm>): OutputForm {
  return (givenBy) => {
    const codecs = [...forms].flatMap(([key, form]) => {
      const codec = form(givenByPart(givenBy, key));
      return codec === undefined ? [] : [[key, codec] as const];
    });
    return codecs.length === 0 ? undefined : outputsCodec(codecs);
  };
}

function outputsCodec(codecs: readonly (readonly [string, Codec])[]): Codec {
  const changed = (record: unknown, change: (codec: Codec, value: unknown) => unknown): object => {
    const copy: Record<string, unknown> = { ...(record as object) };
    for (const [key, codec] of codecs) {
      if (copy[key] !== undefined) copy[key] = change(codec, copy[key]);
    }
    return copy;
  };
  const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  return new t.Type<unknown, unknown>(
    'record of outputs',
    (live): live is unknown => isRecord(live),
    (stored, context) => {
      if (!isRecord(stored)) return t.failure(stored, context);
      const errors: t.Errors = [];
      const live = changed(stored, (codec, value) => {
        const decoded = codec.validate(value, context);
        if (isRight(decoded)) return decoded.right;
        for (const error of decoded.left) errors.push(error);
        return undefined;
      });
      return errors.length === 0 ? t.success(live) : t.failures(errors);
    },
    (live) => changed(live, (codec, value) => codec.encode(value)),
  );
}

/** The form of the output of a step that may have been left out: what stands in its place is saved as it is. */
function optionalForm(form: OutputForm): OutputForm {
  return (givenBy) => {
    const codec = givenBy === false ? undefined : form(givenBy);
    if (codec === undefined) return undefined;
    return new t.Type<unknown, unknown>(
      `${codec.name} or nothing`,
      t.unknown.is,
      (stored, context) => (stored === undefined ? t.success(undefined) : codec.validate(stored, context)),
      (live) => (live === undefined ? undefined : codec.encode(live)),
    );
  };
}

/** @param known - The items that are undefined; releases before format 3 wrote them into the value, `{ items, gaps }`. */
function itemsCodec(
  codecAt: (index: number) => Codec | undefined,
  known: readonly number[] | undefined,
): Codec {
  return new t.Type<unknown, unknown>(
    'list',
    Array.isArray,
    (stored, context) => {
      const { items, gaps } =
        known === undefined ? earlierList(stored) : { items: stored, gaps: new Set(known) };
      if (!Array.isArray(items)) return t.failure(stored, context);
      let live: unknown[] | undefined;
      for (const [index, value] of (items as readonly unknown[]).entries()) {
        const codec = codecAt(index);
        if (gaps.has(index)) (live ??= [...(items as readonly unknown[])])[index] = undefined;
        else if (codec !== undefined) {
          const decoded = codec.validate(value, t.appendContext(context, String(index), codec));
          if (isLeft(decoded)) return decoded;
          if (decoded.right !== value) (live ??= [...(items as readonly unknown[])])[index] = decoded.right;
        }
      }
      // A list that stays as it is stays the same list: it may be long.
      return t.success(live ?? items);
    },
    (live) => {
      const items = live as readonly unknown[];
      let encoded: unknown[] | undefined;
      for (const [index, value] of items.entries()) {
        const codec = value === undefined ? undefined : codecAt(index);
        const stored = codec === undefined ? value : codec.encode(value);
        if (stored !== value || stored === undefined) (encoded ??= [...items])[index] = stored ?? null;
      }
      return encoded ?? items;
    },
  );
}

function earlierList(stored: unknown): { readonly items: unknown; readonly gaps: ReadonlySet<unknown> } {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored))
    return { items: stored, gaps: new Set() };
  const { items, gaps } = stored as { readonly items?: unknown; readonly gaps?: unknown };
  return Array.isArray(gaps)
    ? { items, gaps: new Set(gaps as readonly unknown[]) }
    : { items, gaps: new Set() };
}

/** The same for a list of `Either`: what failed is plain data, what succeeded has the form of the agent. */
export function eitherListForm(agent: unknown): OutputForm {
  const form = formOf(agent);
  type Item = Either<unknown, unknown>;
  const rightCodec = (codec: Codec): Codec =>
    new t.Type<unknown, unknown>(
      codec.name,
      t.unknown.is,
      (stored, context) => {
        if (typeof stored !== 'object' || stored === null || !('_tag' in stored))
          return t.failure(stored, context);
        if (isLeft(stored as Item)) return t.success(stored);
        const decoded = codec.validate((stored as { readonly right?: unknown }).right, context);
        return isRight(decoded) ? t.success(right(decoded.right)) : decoded;
      },
      (live) =>
        isLeft(live as Item) ? live : right(codec.encode((live as { readonly right: unknown }).right)),
    );
  return (givenBy) =>
    itemsCodec((index) => {
      const codec = form(givenByPart(givenBy, index));
      return codec === undefined ? undefined : rightCodec(codec);
    }, gapsOf(givenBy));
}

/**
 * The form in which the output of one of several agents is saved: that of the agent that gave it, which is on record. It is
 * never told from the value.
 *
 * @param alternatives - Their forms, by id. `null` is what no agent has given.
 */
export function alternativesForm(alternatives: ReadonlyMap<string | null, OutputForm>): OutputForm {
  return (givenBy) => {
    if (givenBy === undefined) return earlierAlternative([...alternatives.values()]);
    const [id, by] = parted(givenBy);
    const form = alternatives.get(id);
    return form === undefined ? goneAlternative(String(id)) : form(by);
  };
}

function parted(givenBy: GivenBy): readonly [id: string | null, by: GivenBy | undefined] {
  if (givenBy === false) return ['', undefined];
  if (typeof givenBy !== 'object' || givenBy === null) return [givenBy, undefined];
  return 'id' in givenBy ? [givenBy.id, givenBy.by] : ['', undefined];
}

/** The same by the agents. */
export function oneOfForm(agents: Iterable<readonly [id: string, agent: unknown]>): OutputForm {
  return alternativesForm(new Map([...agents].map(([id, agent]) => [id, formOf(agent)])));
}

/** Whose form the value has is not known to this definition. */
function goneAlternative(id: string): Codec {
  const name = `what one of its agents gave, not "${id}", which is none of them any more`;
  return new t.Type<unknown, unknown>(name, t.unknown.is, t.failure, t.identity);
}

/**
 * What releases before format 3 have saved: `{ as, value }`, where `as` is the place of the alternative, where any of them had
 * a codec at that time; otherwise the value.
 */
function earlierAlternative(forms: readonly OutputForm[]): Codec {
  return new t.Type<unknown, unknown>(
    'one of several',
    t.unknown.is,
    (stored, context) => {
      if (!isEarlier(stored)) return t.success(stored);
      const codec = forms[stored.as]?.(undefined);
      return codec === undefined ? t.success(stored.value) : codec.validate(stored.value, context);
    },
    t.identity,
  );
}

function isEarlier(stored: unknown): stored is { readonly as: number; readonly value?: unknown } {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) return false;
  const { as, ...rest } = stored as { readonly as?: unknown };
  return Number.isInteger(as) && Object.keys(rest).every((key) => key === 'value');
}

/**
 * The form in which the result of a workflow is saved: every output that stands in it as it is in the form of its agent.
 */
export function resultForm(steps: readonly DagStep[], result: Source): OutputForm {
  const node = nodeOf(result);
  if (node?.kind === 'step') {
    const step = steps[node.index];
    return step?.policy.when === undefined ? formOf(step?.agent) : optionalForm(formOf(step.agent));
  }
  // What was projected, gathered or settled has a form of its own that no agent knows.
  if (node !== undefined) return node.kind === 'quorum' ? gatheredForm : plain;
  if (Array.isArray(result))
    return tupleForm((result as readonly Source[]).map((part) => resultForm(steps, part)));
  const forms = new Map<string, OutputForm>();
  for (const [key, part] of Object.entries(result as Readonly<Record<string, Source>>)) {
    const form = resultForm(steps, part);
    if (form !== plain && key !== '__proto__') forms.set(key, form);
  }
  return forms.size === 0 ? plain : recordForm(forms);
}
