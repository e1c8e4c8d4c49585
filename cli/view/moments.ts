/** A moment as a person in this time zone writes it: `2026-11-28 13:00:44`. */
export function momentText(at: number): string {
  const date = new Date(at);
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()].map(two).join('-');
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')}`;
}

/** The time of day, to the millisecond. */
export function timeText(at: number): string {
  return `${momentText(at).slice(11)}.${String(new Date(at).getMilliseconds()).padStart(3, '0')}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
