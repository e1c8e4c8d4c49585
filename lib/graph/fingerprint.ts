import { createHash } from 'node:crypto';

import type { Plan } from '../model/plan';

/** A short text that two plans share exactly when they are equal: SHA-256 over their JSON, 64 hexadecimal digits. */
export function fingerprint(plan: Plan): string {
  const rows = plan.map(({ path, kind, agent, sources, result }) => [
    path,
    kind,
    agent,
    sources,
    result ?? [],
  ]);
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex');
}
