/**
 * Whether a path of a step fits a pattern: `*` stands for anything within a part, `**` for anything at all. `pages[*]/ocr` fits the step
 * `ocr` of every item, `pages**` all that belongs to `pages`.
 */
export function globOf(pattern: string): (path: string) => boolean {
  const source = pattern
    .split(/(\*\*|\*|\?)/)
    .map((part) => {
      if (part === '**') return '.*';
      if (part === '*') return '[^/\\]]*';
      if (part === '?') return '[^/]';
      return part.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
    })
    .join('');
  const shape = new RegExp(`^${source}$`, 'u');
  return (path) => shape.test(path);
}
