import type { IncomingMessage, ServerResponse } from 'node:http';

import { getRequestListener } from '@hono/node-server';

/** Takes requests of Node to a function that has those of fetch. */
export function nodeListener(
  answer: (request: Request) => Promise<Response>,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const listener = getRequestListener(answer, { overrideGlobalObjects: false });
  return async (request, response) => {
    // Express may have read the body already, with express.json(): it cannot be read again.
    const { body } = request as { readonly body?: unknown };
    if (body !== undefined && request.readableEnded) Object.assign(request, { rawBody: bytesOf(body) });
    await listener(request, response);
  };
}

/** As it came: a text, such as `express.text()` makes, is no JSON value but the body itself. */
function bytesOf(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
