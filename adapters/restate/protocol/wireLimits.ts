/** Most bytes of one value in the journal: beyond 32 MiB the server would repeat a step for ever. */
export const LARGEST_VALUE = 4 * 1024 * 1024;

/** Most bytes of what a structure puts together of the outputs in it. */
export const LARGEST_OUTPUT = 64 * 1024 * 1024;

/** Most bytes of all that one message carries. */
export const LARGEST_MESSAGE = 24 * 1024 * 1024;

/** Most objects and arrays inside one another in a message: a state may hold values that are as deep as one may be, which is 256. */
export const DEEPEST_MESSAGE = 320;

/** Most bytes of all answers that wait for a run: what is kept of it, and what it leaves behind, fits into one message each. */
export const LARGEST_ANSWERS = LARGEST_MESSAGE / 2;

/** Most characters of the name, and of the message, of an error in the journal. */
export const LONGEST_TEXT = 8 * 1024;

/** After so many calls of agents a run goes on in another life: every retry of the server reads the whole journal of one. */
export const MANY_STEPS = 1_000;

/** Most calls of agents in one life, where some of them take too long to be waited for. */
export const MOST_STEPS = 10 * MANY_STEPS;

/** Milliseconds for which a life with many calls waits for those under way before it goes on itself; twice as long each time. */
export const DRAIN_MS = 10_000;

/** Milliseconds for which partial results are collected before they are told. */
export const BATCH_MS = 50;

/** Milliseconds from which on a run is watched while it goes on; what is quicker is told with its end. */
export const WATCH_MS = 150;

/** Longest of it, where many runs are under way at once. */
export const LONGEST_WATCH_MS = 2_000;

/** Milliseconds between two batches of events that a run tells in its journal. */
export const FLUSH_MS = 500;

/** Most bytes of events that are kept back, and of what one batch tells; a single one may be larger. */
export const BATCH_BYTES = 256 * 1024;

/** Milliseconds for which a question to the server is held open before it is asked again. */
export const HOLD_MS = 15_000;

/** Most characters of one of the texts in which more is kept than a message carries: quoted once more, it still fits into one. */
export const LARGEST_CHUNK = 4 * 1024 * 1024;

/** Most of such texts. */
export const MOST_CHUNKS = 64;
