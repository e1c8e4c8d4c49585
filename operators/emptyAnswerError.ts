/** The stream that an agent returned ended without a value, so the step has no output. */
export class EmptyAnswerError extends Error {
  override readonly name = 'EmptyAnswerError';

  constructor(agent: string) {
    super(
      `Cannot take an output from agent "${agent}": the stream it returned ended without a value; give it a reduce with a seed`,
    );
  }
}
