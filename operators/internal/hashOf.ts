import { createHash } from 'node:crypto';

/** A short text that values share exactly when their JSON is the same; undefined for what has no JSON. */
export function hashOf(value: unknown): string | undefined {
  try {
    const text = JSON.stringify([value]);
    return createHash('sha256').update(text).digest('base64url').slice(0, 22);
  } catch {
    return undefined;
  }
}
