// What the core asks of `node:crypto`.
import { sha256 } from '@noble/hashes/sha2.js';

import { Buffer } from './buffer';

const MOST_AT_ONCE = 65_536;

interface Hash {
  update(data: string | Uint8Array): Hash;
  digest(encoding: 'hex' | 'base64url'): string;
}

/** A hash by SHA-256: all that is asked for. */
export function createHash(_algorithm: 'sha256'): Hash {
  const hash = sha256.create();
  const made: Hash = {
    update(data) {
      hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      return made;
    },
    digest: (encoding) => Buffer.from(hash.digest()).toString(encoding),
  };
  return made;
}

export function randomFillSync<T extends Uint8Array>(bytes: T): T {
  for (let at = 0; at < bytes.length; at += MOST_AT_ONCE)
    globalThis.crypto.getRandomValues(bytes.subarray(at, at + MOST_AT_ONCE));
  return bytes;
}

export function randomBytes(length: number): Uint8Array {
  return randomFillSync(Buffer.alloc(length));
}

/** `crypto.randomUUID` is there only where a page came over HTTPS. */
export function randomUUID(): string {
  const bytes = randomFillSync(new Uint8Array(16));
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
