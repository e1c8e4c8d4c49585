import type { LogLevel } from '../model/event';
import type { LogEntry } from './entry';

/** Which entries to look at; with both fields given, those that fit both. */
export interface LogQuery {
  /** Exactly this level. */
  readonly level?: LogLevel;
  /** This component and what lies below it: `pages` finds `pages[3]/ocr` too. */
  readonly component?: string;
}

/** The latest entries of a log. */
export interface LogMemory {
  add(entry: LogEntry): void;
  find(query: LogQuery): LogEntry[];
}

/** Keeps the latest `size` entries and forgets older ones. */
export function logMemory(size: number): LogMemory {
  const ring: LogEntry[] = [];
  let next = 0;
  return {
    add(entry) {
      if (size < 1) return;
      ring[next] = entry;
      next = (next + 1) % size;
    },
    find({ level, component }) {
      const inOrder = [...ring.slice(next), ...ring.slice(0, next)];
      return inOrder.filter(
        (entry) =>
          (level === undefined || entry.level === level) &&
          (component === undefined || isWithin(entry.component, component)),
      );
    },
  };
}

function isWithin(component: string, wanted: string): boolean {
  if (!component.startsWith(wanted)) return false;
  const next = component[wanted.length];
  return next === undefined || next === '/' || next === '[';
}
