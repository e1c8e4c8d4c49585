/** How many bytes a value takes as JSON; none where it is `undefined`. */
export function jsonBytes(value: unknown): number {
  return value === undefined ? 0 : Buffer.byteLength(JSON.stringify(value));
}
