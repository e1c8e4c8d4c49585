import * as t from 'io-ts';

/** Dates that are saved as text: their own form is not the one in JSON. */
export const DateText = new t.Type<Date, string>(
  'Date',
  (value): value is Date => value instanceof Date,
  (value, context) => (typeof value === 'string' ? t.success(new Date(value)) : t.failure(value, context)),
  (date) => date.toISOString(),
);
