import type { Ingress } from '../protocol/ingress';

/** Asks the server's own tables. */
export async function query(
  admin: Ingress,
  sql: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const answer = (await admin.request('/query', {
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
