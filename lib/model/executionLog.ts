/** How one execution went, step by step, as it is kept for later. */
export interface ExecutionLog {
  readonly logId: string;
  readonly workflowName: string;
  /** ISO 8601. */
  readonly startTime: string;
  /** ISO 8601; null while it runs. */
  readonly endTime: string | null;
  /** `running` until it is completed with another word. */
  readonly status: string;
  readonly steps: readonly LoggedStep[];
}

/** One line of an execution log. */
export interface LoggedStep {
  readonly stepName: string;
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
  save(log: ExecutionLog): Promise<void>;
  load(logId: string): Promise<ExecutionLog | undefined>;
  list(): Promise<readonly LogSummary[]>;
}
