/** How one execution went, step by step, as it is kept for later. */
export interface ExecutionLog {
  /** The id of the log. */
  readonly logId: string;
  /** Name of the agent that was run. */
  readonly workflowName: string;
  /** ISO 8601. */
  readonly startTime: string;
  /** ISO 8601; null while it runs. */
  readonly endTime: string | null;
  /** `running` until it is completed with another word. */
  readonly status: string;
  /** What its steps did, in order. */
  readonly steps: readonly LoggedStep[];
}

/** One line of an execution log. */
export interface LoggedStep {
  /** Name of the step. */
  readonly stepName: string;
  /** How it stands. */
  readonly status: string;
  /** Seconds. */
  readonly duration: number;
  /** When the line was added, ISO 8601. */
  readonly timestamp: string;
}

/** An execution log without its steps. */
export type LogSummary = Omit<ExecutionLog, 'steps'> & { readonly stepCount: number };

/** Where execution logs rest. */
export interface LogRest {
  /** Writes a log down, in the place of the one with its id. */
  save(log: ExecutionLog): Promise<void>;
  /** A log by its id; undefined when there is none. */
  load(logId: string): Promise<ExecutionLog | undefined>;
  /** One line a log, newest first. */
  list(): Promise<readonly LogSummary[]>;
}
