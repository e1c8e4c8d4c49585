/** What kind of thing carries out a step: a function of the user's, or one of the structures made from agents. */
export type AgentKind =
  | 'function'
  | 'operator'
  | 'chain'
  | 'workflow'
  | 'each'
  | 'branch'
  | 'loop'
  | 'fallback'
  | 'firstOf'
  | 'saga'
  | 'approval'
  | 'sleep';

/** One declared step: where it stands, who carries it out, and what it reads. */
export interface PlanStep {
  /** The ids from the root of the run, joined by `/`. */
  readonly path: string;
  /** What kind of agent it is. */
  readonly kind: AgentKind;
  /** Name of the agent that carries it out. */
  readonly agent: string;
  /** What it reads, as text: `input`, paths of other steps, or an adaptor around those such as `settled(a, b)`. */
  readonly sources: readonly string[];
  /**
   * How the agent is given them, where it is not the one source as it is: `pick(input)`, `{ title: a }`, `[a, b]`; cut at 2,000 characters.
   * Two plans that differ only in it are the same. Absent in plans of earlier releases.
   */
  readonly reads?: string;
  /** Version of the agent, where it has one. */
  readonly version?: string;
  /** On the first step of a workflow: what the workflow gives, as text. */
  readonly result?: readonly string[];
}

/**
 * The declared shape of a run: every step that is known before the run begins, in order of declaration.
 *
 * Holds no function text and no policies, so changing how a step works does not change the plan.
 */
export type Plan = readonly PlanStep[];

/** How two plans differ. */
export interface PlanDiff {
  /** Paths of steps that are new. */
  readonly added: readonly string[];
  /** Paths of steps that are gone. */
  readonly removed: readonly string[];
  /** Same path, but another agent, another kind or version, or other sources. */
  readonly changed: readonly string[];
  /** Workflows that give something else than before; the empty path is the run itself. */
  readonly results: readonly string[];
  /** What was run has another name than what is run now. */
  readonly renamed?: { readonly from: string; readonly to: string };
}
