/**
 * Numbers from 0 up to 1 that only depend on the seed; the seed 0 gives nothing but 0.
 *
 * Mulberry32 (Tommy Ettinger, 2017).
 */
export function randomOf(seed: number): () => number {
  if (seed === 0) return () => 0;
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
