import { MillraceError } from '../model/failure';

/** An agent cannot be defined like this. Thrown at once, when it is defined, never while a run is under way. */
export class DefinitionError extends MillraceError {
  override readonly name = 'DefinitionError';
  readonly code = 'INVALID_DEFINITION';
  /** Name of the agent that was being defined. */
  readonly agent: string;

  constructor(agent: string, problem: string) {
    // A name that is a symbol is among the problems.
    const name: unknown = agent;
    super(`Cannot define "${String(name)}": ${problem}`, 'change the definition', { tellsNext: false });
    this.agent = agent;
  }
}

/** A codec or schema cannot be told as a JSON Schema. */
export class NoJsonSchemaError extends MillraceError {
  override readonly name = 'NoJsonSchemaError';
  readonly code = 'NO_JSON_SCHEMA';

  constructor(what: string) {
    super(
      `Cannot make a JSON Schema of ${what}`,
      'build it of the codecs of io-ts, or give a schema that describes itself',
    );
  }
}
