/** A figure as text, two digits of it or all before the point; `-` for what was not measured. */
export function number(figure) {
  if (figure === undefined || !Number.isFinite(figure)) return '-';
  return figure >= 100 ? Math.round(figure).toLocaleString('en') : figure.toPrecision(2);
}
