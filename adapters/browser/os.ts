// What the core asks of `node:os`.

/** Who serves is told by the name of its machine; a page is known by the machine it came from. */
export function hostname(): string {
  const { location } = globalThis as { readonly location?: { readonly hostname: string } };
  return location?.hostname ?? 'browser';
}

export const availableParallelism = (): number =>
  (globalThis as { readonly navigator?: { readonly hardwareConcurrency?: number } }).navigator
    ?.hardwareConcurrency ?? 1;
