/** The path of a step below another one; an id that begins with `[` stands behind it without a `/`. */
export function pathBelow(base: string, id: string): string {
  return base === '' || id.startsWith('[') ? base + id : `${base}/${id}`;
}
