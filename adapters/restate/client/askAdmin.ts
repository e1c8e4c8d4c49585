import type { AskOptions, Ingress } from '../protocol/ingress';
import { IngressError } from '../protocol/ingress';

/** Milliseconds before the server is asked once more. One that has just started fails for a moment. */
const PAUSES_MS = [100, 200, 400, 800, 1_600];

/** How long it may take to answer, in milliseconds: a large table takes seconds, and one that never answers would be waited for. */
const ANSWER_MS = 30_000;

/**
 * Asks the admin for something that changes nothing: again where the server has failed to answer.
 *
 * @throws IngressError with its latest answer when it fails again and again, and at once when it refuses.
 * @throws EngineUnreachableError when it is away, RequestTimeoutError when it takes the question and does not answer.
 */
export async function readAdmin(admin: Ingress, path: string, given: AskOptions = {}): Promise<unknown> {
  const options = { timeoutMs: ANSWER_MS, ...given };
  for (const pauseMs of PAUSES_MS) {
    try {
      return await admin.request(path, options);
    } catch (error) {
      if (!(error instanceof IngressError) || error.status < 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
  return admin.request(path, options);
}

/**
 * Asks the server's own tables.
 *
 * @throws What `readAdmin` throws.
 */
export async function query(
  admin: Ingress,
  sql: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const answer = (await readAdmin(admin, '/query', {
    body: { query: sql },
    headers: { accept: 'application/json' },
  })) as {
    readonly rows: readonly Readonly<Record<string, unknown>>[];
  };
  return answer.rows;
}

/** A text as it stands between quotes in SQL. */
export function sqlText(text: string): string {
  return text.replaceAll("'", "''");
}
