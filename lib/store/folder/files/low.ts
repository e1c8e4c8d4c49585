import { Low as Database } from 'lowdb';

/** A lowdb database: some data, and the adapter that reads and writes it. */
export interface LowDatabase<T> {
  data: T;
  read(): Promise<void>;
  write(): Promise<void>;
}

/** Where a lowdb database rests. */
export interface LowAdapter<T> {
  read: () => Promise<T | null>;
  write: (data: T) => Promise<void>;
}

/** lowdb, typed by our own words: its types are ES modules, which a CommonJS user's compiler cannot read. */
export const Low: new <T>(adapter: LowAdapter<T>, defaultData: T) => LowDatabase<T> = Database;
