// What the core asks of `node:zlib`. What is packed never leaves the page, so the form is one that takes little code.
import { InvalidArgumentError } from '../../lib/model/failure';
import { Buffer } from './buffer';
import { packed, unpacked, unpackedLength } from './packed';

export const deflateRawSync = (bytes: Uint8Array): Uint8Array => Buffer.from(packed(bytes));

/** @throws InvalidArgumentError when there is more than that. */
export function inflateRawSync(
  bytes: Uint8Array,
  { maxOutputLength }: { readonly maxOutputLength: number },
): Uint8Array {
  if (unpackedLength(bytes) > maxOutputLength)
    throw new InvalidArgumentError(
      `Cannot inflate more than ${maxOutputLength} bytes`,
      'look whether the text is damaged',
    );
  return Buffer.from(unpacked(bytes));
}

/** By the polynomial of zlib, as `node:zlib` counts it. */
export function crc32(data: string | Uint8Array, before = 0): number {
  let crc = ~before;
  for (const byte of typeof data === 'string' ? new TextEncoder().encode(data) : data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}
