/**
 * SHA-256 of what these pieces are together (FIPS 180-4, 6.2). Pages have it by a Promise alone, and only where they came over
 * HTTPS.
 */
export function sha256(pieces: readonly Uint8Array[]): Uint8Array {
  const padded = paddedWhole(pieces);
  const { roots, sum } = constants();
  const words = new Int32Array(64);
  for (let at = 0; at < padded.byteLength; at += 64) {
    for (let round = 0; round < 64; round += 1)
      words[round] = round < 16 ? padded.getInt32(at + round * 4) : nextWord(words, round);
    mix(sum, words, roots);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [index, word] of sum.entries()) digest.setInt32(index * 4, word);
  return new Uint8Array(digest.buffer);
}

/** The message, a bit, and in the last eight bytes the number of bits of the message. */
function paddedWhole(pieces: readonly Uint8Array[]): DataView {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const whole = new Uint8Array((Math.floor((length + 8) / 64) + 1) * 64);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  whole[length] = 0x80;
  const view = new DataView(whole.buffer);
  view.setUint32(whole.length - 8, Math.floor(length / 2 ** 29));
  view.setUint32(whole.length - 4, length << 3);
  return view;
}

function mix(sum: Int32Array, words: Int32Array, roots: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = sum;
  for (let round = 0; round < 64; round += 1) {
    const first =
      h +
      (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) +
      ((e & f) ^ (~e & g)) +
      (roots[round] ?? 0) +
      (words[round] ?? 0);
    const second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + second) | 0;
  }
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) sum[index] = (sum[index] ?? 0) + word;
}

function nextWord(words: Int32Array, round: number): number {
  const far = words[round - 15] ?? 0;
  const near = words[round - 2] ?? 0;
  return (
    (words[round - 16] ?? 0) +
    (turned(far, 7) ^ turned(far, 18) ^ (far >>> 3)) +
    (words[round - 7] ?? 0) +
    (turned(near, 17) ^ turned(near, 19) ^ (near >>> 10))
  );
}

const turned = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

/** The first 32 bits behind the point of the cube roots of the first 64 primes, and of the square roots of the first eight. */
function constants(): { readonly roots: Int32Array; readonly sum: Int32Array } {
  const primes: number[] = [];
  for (let number = 2; primes.length < 64; number += 1)
    if (primes.every((prime) => number % prime !== 0)) primes.push(number);
  const bits = (root: number): number => ((root % 1) * 2 ** 32) | 0;
  return {
    roots: Int32Array.from(primes, (prime) => bits(Math.cbrt(prime))),
    sum: Int32Array.from(primes.slice(0, 8), (prime) => bits(Math.sqrt(prime))),
  };
}
