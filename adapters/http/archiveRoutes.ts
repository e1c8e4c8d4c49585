import { archivedRun, importRun, packRun } from '../../lib/store/runArchive';
import type { Call, Route } from './call';
import { bytesOf, newIdIn, placeIn, reply, runOf } from './call';
import type { ImportReply } from './contract';
import { HttpRequestError } from './httpRequestError';

/** Of files that are put in, in bytes. */
const LARGEST_FILE = 67_108_864;

/** What the file of a run is sent as. A page of others cannot send it without asking. */
const GZIP = /^application\/(x-)?gzip\s*(;|$)/i;

export const archiveRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/runs/{id}/export',
    summary: 'The run with its events as a file, without secrets',
    needs: 'read',
    handle: exported,
  },
  {
    method: 'POST',
    path: '/import',
    summary: 'Puts in the run of such a file, sent as application/gzip',
    needs: 'write',
    query: { runId: 'The id that it gets; the one that it had when left out' },
    handle: imported,
  },
];

async function exported(call: Call): Promise<Response> {
  const { shown } = call.api;
  const store = placeIn(call).store('export a run');
  const { runId } = await runOf(call);
  const file = packRun(shown.wholeRun(await archivedRun(runId, store)));
  const name = runId.replace(/[^\w.-]+/g, '_').slice(0, 120);
  return new Response(new Uint8Array(file), {
    headers: {
      'content-type': 'application/gzip',
      'content-disposition': `attachment; filename="${name}.millrace.gz"`,
    },
  });
}

async function imported(call: Call): Promise<Response> {
  const { request, query } = call;
  const store = placeIn(call).store('put in a run');
  const type = request.headers.get('content-type') ?? '';
  if (!GZIP.test(type))
    throw new HttpRequestError(
      'NOT_JSON',
      `Cannot read a file of type ${JSON.stringify(type.slice(0, 100))}`,
      'send what an export gave with content-type: application/gzip',
    );
  const runId = query.get('runId');
  const file = await bytesOf(request, LARGEST_FILE);
  const body: ImportReply = {
    runId: await importRun(file, { store, ...(runId !== null && { runId: newIdIn(runId) }) }),
  };
  return reply(201, body);
}
