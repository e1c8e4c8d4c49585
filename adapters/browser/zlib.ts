// What the core asks of `node:zlib`.
import { deflateSync, Inflate } from 'fflate';

import { InvalidArgumentError } from '../../lib/model/failure';
import { Buffer } from './buffer';

export function deflateRawSync(bytes: Uint8Array, { level }: { readonly level: 1 }): Uint8Array {
  return Buffer.from(deflateSync(bytes, { level }));
}

/** @throws InvalidArgumentError when there is more than that. */
export function inflateRawSync(
  bytes: Uint8Array,
  { maxOutputLength }: { readonly maxOutputLength: number },
): Uint8Array {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const inflate = new Inflate((piece) => {
    length += piece.length;
    if (length > maxOutputLength)
      throw new InvalidArgumentError(
        `Cannot inflate more than ${maxOutputLength} bytes`,
        'look whether the text is damaged',
      );
    pieces.push(piece);
  });
  inflate.push(bytes, true);
  const all = Buffer.alloc(length);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
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
