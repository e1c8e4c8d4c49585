/** An event of SSE. */
export interface SseEvent {
  readonly id?: string;
  readonly event: string;
  readonly data: string;
}

/** The events of a body, as they come; comments as events named `:`. Leaving the loop leaves the server. */
export async function* sseEvents(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): AsyncGenerator<SseEvent> {
  const left = new AbortController();
  try {
    const response = await fetch(url, { headers, signal: left.signal });
    let text = '';
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      text += part;
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        yield parsed(text.slice(0, end));
        text = text.slice(end + 2);
      }
    }
  } finally {
    left.abort();
  }
}

function parsed(block: string): SseEvent {
  if (block.startsWith(':')) return { event: ':', data: '' };
  const fields = new Map(
    block.split('\n').map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')] as const;
    }),
  );
  const id = fields.get('id');
  return {
    ...(id !== undefined && { id }),
    event: fields.get('event') ?? 'message',
    data: fields.get('data') ?? '',
  };
}
