import { lowdbStore } from '../../../index';

// Reads a run that another process has written, and says what it found.
const [folder = '', runId = ''] = process.argv.slice(2);
void lowdbStore(folder)
  .loadRun(runId)
  .then(
    (state) => {
      const rows = [...(state?.steps ?? [])];
      const last = rows.at(-1)?.output as { readonly n: number; readonly doc: string } | undefined;
      console.log(JSON.stringify([state?.status, rows.length, last?.n, last?.doc.length]));
    },
    (error: unknown) => {
      console.log(`failed ${String(error)}`);
    },
  );
