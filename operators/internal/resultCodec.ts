import type * as t from 'io-ts';

import type { DagStep } from '../../lib/graph/dag';
import { definitionOf } from '../../lib/graph/definition';
import type { Source } from '../../lib/graph/wire';
import { nodeOf } from '../../lib/graph/wire';
import { optionalCodec, recordCodec, tupleCodec } from './outputCodec';

type Codec = t.Type<unknown, unknown>;

/**
 * The form in which the result of a workflow is saved: every output that stands in it as it is in the form of its agent, and
 * in tuples also what is `undefined`, such as the output of a step that was skipped. Undefined when plain JSON does.
 */
export function resultCodec(steps: readonly DagStep[], result: Source): Codec | undefined {
  const node = nodeOf(result);
  if (node?.kind === 'step') {
    const step = steps[node.index];
    const codec = definitionOf(step?.agent)?.output;
    return codec !== undefined && step?.policy.when !== undefined ? optionalCodec(codec) : codec;
  }
  // What was projected, gathered or settled has a form of its own that no agent knows.
  if (node !== undefined) return undefined;
  if (Array.isArray(result)) {
    return tupleCodec((result as readonly Source[]).map((part) => resultCodec(steps, part)));
  }
  const codecs = new Map<string, Codec>();
  for (const [key, part] of Object.entries(result as Readonly<Record<string, Source>>)) {
    const codec = resultCodec(steps, part);
    if (codec !== undefined && key !== '__proto__') codecs.set(key, codec);
  }
  return codecs.size === 0 ? undefined : recordCodec(codecs);
}
