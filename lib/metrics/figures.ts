/** How many percent of all these are; 0 when there are none at all. */
export function percentOf(part: number, all: number): number {
  return all === 0 ? 0 : (100 * part) / all;
}

/**
 * Seconds with at least one decimal, and with two significant digits below one second: `2.5`, `12.3`, `0.012`, `0.0`.
 */
export function formatSeconds(seconds: number): string {
  if (seconds >= 1 || seconds < 0.000_001) return seconds.toFixed(1);
  return seconds.toFixed(Math.min(6, Math.max(1, 1 - Math.floor(Math.log10(seconds)))));
}

/** A percentage with one decimal. Only all is 100.0 and only none is 0.0: rounding hides no failure. */
export function formatPercent(percent: number): string {
  const text = percent.toFixed(1);
  if (text === '100.0' && percent < 100) return '99.9';
  return text === '0.0' && percent > 0 ? '0.1' : text;
}

/** The same, a whole percentage without decimals: `90`, `66.7`. */
export function formatShortPercent(percent: number): string {
  return formatPercent(percent).replace(/\.0$/, '');
}
