/** No server of Restate answers. Runs that it has accepted go on once it is back; subscribe again to follow them. */
export class EngineUnreachableError extends Error {
  override readonly name = 'EngineUnreachableError';
  readonly addresses: readonly string[];

  constructor(addresses: readonly string[], forMs: number, cause: unknown) {
    super(`No Restate server answers at ${addresses.join(', ')} for ${Math.round(forMs / 1000)} s`, {
      cause,
    });
    this.addresses = addresses;
  }
}
