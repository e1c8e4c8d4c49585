/** Most bytes of one value in the journal: beyond 32 MiB the server would repeat a step for ever. */
export const LARGEST_VALUE = 4 * 1024 * 1024;

/** Most bytes of all that one message carries. */
export const LARGEST_MESSAGE = 24 * 1024 * 1024;

/** Most calls of agents in one life of a run: every retry of the server reads the whole journal. */
export const MOST_STEPS = 1000;

/** Milliseconds for which events and partial results are collected before they are told. */
export const BATCH_MS = 50;

/** Most bytes of events that are kept back. */
export const BATCH_BYTES = 256 * 1024;

/** Milliseconds for which a question to the server is held open before it is asked again. */
export const HOLD_MS = 15_000;
