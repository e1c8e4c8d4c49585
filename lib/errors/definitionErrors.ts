/** An agent cannot be defined like this. Thrown at once, when it is defined, never while a run is under way. */
export class DefinitionError extends Error {
  override readonly name = 'DefinitionError';
  /** Name of the agent that was being defined. */
  readonly agent: string;

  constructor(agent: string, problem: string) {
    super(`Cannot define "${agent}": ${problem}`);
    this.agent = agent;
  }
}
