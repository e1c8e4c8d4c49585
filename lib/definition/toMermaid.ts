import type { Agent } from '../model/agentType';
import type { Definition, Part, StructureDefinition } from './definition';
import { definitionOf, isContainer } from './definition';
import type { Arrow } from './source';

/**
 * An agent as a Mermaid flowchart: one node a step, one subgraph a nested structure, one arrow a wire. Paste it into
 * Markdown; GitHub draws it.
 */
export function toMermaid<I, O>(agent: Agent<I, O>): string {
  const definition = definitionOf(agent) as Definition;
  const lines = ['flowchart TD'];
  if (isContainer(definition)) drawInside(definition, '', lines, '  ');
  else lines.push(`  ${nodeId('', definition.name)}["${text(definition.name)}"]`);
  return lines.join('\n');
}

function drawInside(structure: StructureDefinition, base: string, lines: string[], indent: string): void {
  lines.push(`${indent}${edgeId(structure, base, 'input')}(["input"])`);
  for (const part of structure.parts) drawPart(part, base, lines, indent);
  drawArrows(structure, base, lines, indent);
}

function drawPart(part: Part, base: string, lines: string[], indent: string): void {
  const definition = definitionOf(part.agent) as Definition;
  const path = base === '' ? part.id : `${base}/${part.id}`;
  const label = part.id === definition.name ? part.id : `${part.id}: ${definition.name}`;
  if (!isContainer(definition)) {
    lines.push(
      `${indent}${nodeId(base, part.id)}${part.isConditional ? `{{"${text(label)}"}}` : `["${text(label)}"]`}`,
    );
    return;
  }
  lines.push(`${indent}subgraph ${nodeId(base, part.id)}["${text(label)} (${definition.kind})"]`);
  drawInside(definition, path, lines, `${indent}  `);
  lines.push(`${indent}end`);
}

function drawArrows(structure: StructureDefinition, base: string, lines: string[], indent: string): void {
  const { parts, shape, arrows } = structure;
  const input = edgeId(structure, base, 'input');
  const node = (from: Arrow['from']): string =>
    from === 'input' ? input : nodeId(base, (parts[from] as Part).id);
  const drawn = new Set<string>();
  const draw = (to: string, sources: readonly Arrow[] = []): void => {
    for (const { from, mode } of sources)
      drawn.add(`${indent}${node(from)} ${mode === 'value' ? '-->' : `-. "${mode}" .->`} ${to}`);
  };
  parts.forEach((part, position) => {
    const to = nodeId(base, part.id);
    if (shape === 'sequence') draw(to, [{ from: position === 0 ? 'input' : position - 1, mode: 'value' }]);
    else if (shape === 'alternatives') drawn.add(`${indent}${input} -.-> ${to}`);
    else draw(to, arrows?.parts[position]);
  });
  if (shape === 'graph' && arrows !== undefined) {
    const output = edgeId(structure, base, 'output');
    drawn.add(`${indent}${output}(["output"])`);
    draw(output, arrows.result);
  }
  lines.push(...drawn);
}

/** Where a structure begins or ends, told apart from a step of the same name. */
function edgeId(structure: StructureDefinition, base: string, id: 'input' | 'output'): string {
  return structure.parts.some((part) => part.id === id) ? `the_${nodeId(base, id)}` : nodeId(base, id);
}

/** Mermaid takes letters, digits and `_` in an id; everything else becomes its code point. */
function nodeId(base: string, id: string): string {
  const path = base === '' ? id : `${base}/${id}`;
  return `n_${path.replace(/[^A-Za-z0-9]/gu, (letter) => `_${(letter.codePointAt(0) ?? 0).toString(16)}_`)}`;
}

/** Characters that Mermaid reads as Markdown, as a directive or as the end of the label are written as numeric entities. */
function text(label: string): string {
  return label
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(/["#<>&`%]/g, (letter) => `#${String(letter.charCodeAt(0))};`);
}
