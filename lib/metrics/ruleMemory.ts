/**
 * What the conditions within one rule remember of one workflow, such as "is above": plain JSON, in the order in which they
 * were subscribed to. It is saved with the monitor, so that a restart forgets no hysteresis and no window.
 */
export interface RuleMemory {
  readonly cells: unknown[];
  /** The cell of the next condition. */
  next: number;
  /** What the latest value was compared with, and that value. */
  compared?: Comparison;
}

/** A value and what it was compared with. */
export interface Comparison {
  readonly value: number;
  readonly limit: number;
}

/** One condition's place in the memory of its rule. */
export interface MemoryCell {
  readonly saved: unknown;
  keep(value: unknown): void;
}

let current: RuleMemory | undefined;

/** Subscribes to a rule; the conditions that this subscribes to share the memory. */
export function withMemory<T>(memory: RuleMemory, subscribe: () => T): T {
  const before = current;
  memory.next = 0;
  current = memory;
  try {
    return subscribe();
  } finally {
    current = before;
  }
}

/** A place to remember in, to be asked for while subscribing; outside of a rule nothing is saved. */
export function memoryCell(): MemoryCell {
  const memory = current;
  if (memory === undefined) return { saved: undefined, keep: () => undefined };
  const { cells } = memory;
  const index = memory.next;
  memory.next += 1;
  return {
    saved: cells[index],
    keep: (value) => {
      cells[index] = value;
    },
  };
}

/** Tells the rule what its condition compares, to be asked for while subscribing; outside of a rule nobody hears it. */
export function comparisonTold(): (comparison: Comparison) => void {
  const memory = current;
  return (comparison) => {
    if (memory !== undefined) memory.compared = comparison;
  };
}
