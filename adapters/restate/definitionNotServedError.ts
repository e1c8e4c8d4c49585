/** No worker has registered this definition: none of this name, or only other versions of it. */
export class DefinitionNotServedError extends Error {
  override readonly name = 'DefinitionNotServedError';
  readonly agent: string;
  /** Fingerprints of the versions that are served; none where the admin could not be asked. */
  readonly served: readonly string[];

  constructor(agent: string, fingerprint: string, served: readonly string[] | undefined) {
    const others =
      served === undefined
        ? 'no worker serves this version'
        : served.length === 0
          ? 'no worker serves an agent of this name'
          : `workers serve version ${served.join(', ')}`;
    super(`Cannot run "${agent}" in version ${fingerprint}: ${others}; pass it to serveRestate()`);
    this.agent = agent;
    this.served = served ?? [];
  }
}
