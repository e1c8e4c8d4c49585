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

/** How long ago something was, in a few columns: `-40 s`, `-12 min`, `-3 h`, `-5 d`. */
export function shortAgo(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 100) return `-${seconds} s`;
  if (seconds < 6_000) return `-${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `-${Math.round(seconds / 3_600)} h`;
  return `-${Math.round(seconds / 86_400)} d`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
