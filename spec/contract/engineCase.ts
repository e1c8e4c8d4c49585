import type { Agent } from '../../index';

/** A run that must go the same way on every engine. */
export interface EngineCase {
  readonly title: string;
  readonly agent: Agent<never, unknown>;
  readonly input: unknown;
  /** One function of it waits for what another one does: they need a run that stays in its process meanwhile. */
  readonly isInOneGo?: true;
  readonly status?: 'COMPLETED' | 'FAILED';
  /** What comes out, or the name of the failure. */
  readonly gives: unknown;
}
