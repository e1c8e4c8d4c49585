import type { Agent } from '../model/agentType';
import type { Definition, Part, StructureDefinition } from './definition';
import { definitionOf, isContainer } from './definition';

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
  const input = nodeId(base, 'input');
  lines.push(`${indent}${input}(["input"])`);
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
  const { parts, shape } = structure;
  const input = nodeId(base, 'input');
  parts.forEach((part, position) => {
    const to = nodeId(base, part.id);
    if (shape === 'sequence') {
      lines.push(
        `${indent}${position === 0 ? input : nodeId(base, (parts[position - 1] as Part).id)} --> ${to}`,
      );
    } else if (shape === 'alternatives') {
      lines.push(`${indent}${input} -.-> ${to}`);
    } else {
      drawSources(part.sources, to, base, lines, indent);
    }
  });
  if (shape === 'graph' && structure.result !== undefined) {
    const output = nodeId(base, 'output');
    lines.push(`${indent}${output}(["output"])`);
    drawSources(structure.result, output, base, lines, indent);
  }
}

function drawSources(
  sources: readonly string[],
  to: string,
  base: string,
  lines: string[],
  indent: string,
): void {
  for (const source of sources) {
    const adaptor = /^(live|settled|quorum)\((?:\d+ of )?(.*)\)$/.exec(source);
    const arrow = adaptor === null ? '-->' : `-. "${adaptor[1] ?? ''}" .->`;
    for (const from of (adaptor?.[2] ?? source).split(', ')) {
      lines.push(`${indent}${nodeId(base, from)} ${arrow} ${to}`);
    }
  }
}

/** Mermaid takes letters, digits and `_` in an id; everything else becomes its code point. */
function nodeId(base: string, id: string): string {
  const path = base === '' ? id : `${base}/${id}`;
  return `n_${path.replace(/[^A-Za-z0-9]/gu, (letter) => `_${(letter.codePointAt(0) ?? 0).toString(16)}_`)}`;
}

function text(label: string): string {
  return label.replace(/["#<>&]/g, (letter) => `#${String(letter.charCodeAt(0))};`);
}
