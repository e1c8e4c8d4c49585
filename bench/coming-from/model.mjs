// A model on this machine that answers as OpenAI's chat completions do. What it says follows from the conversation alone, so that
// whoever asks again gets the same answer.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

const call = (id, name, input) => ({
  id,
  type: 'function',
  function: { name, arguments: JSON.stringify(input) },
});
const ROUNDS = [
  {
    pieces: ['I look ', 'them up.'],
    calls: [call('call_a', 'lookUp', { order: 'A' }), call('call_b', 'lookUp', { order: 'B' })],
  },
  { pieces: ['That is ', '42.'], calls: [call('call_r', 'refund', { amount: 42 })] },
  { pieces: ['You ', 'get ', '42 ', 'euros ', 'back.'], calls: [] },
];

/** Begins a server; `rounds` holds which answer was asked for, request by request, `refused` the tool calls that had no result. */
export async function startModel() {
  const rounds = [];
  const refused = [];
  const server = createServer((request, response) => void answer(request, response, { rounds, refused }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    rounds,
    refused,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function answer(request, response, { rounds, refused }) {
  let text = '';
  for await (const chunk of request) text += chunk;
  const { messages, stream } = JSON.parse(text);
  const asked = messages.flatMap(({ tool_calls = [] }) => tool_calls.map(({ id }) => id));
  const told = new Set(messages.map(({ tool_call_id }) => tool_call_id));
  const open = asked.filter((id) => !told.has(id));
  if (open.length > 0) {
    // As OpenAI does.
    refused.push(open.join());
    response.writeHead(400, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ error: { type: 'invalid_request_error', message: `no result of ${open.join()}` } }),
    );
    return;
  }
  // Some keep one message of the assistant for several rounds.
  const round = asked.includes('call_r') ? 3 : asked.length > 0 ? 2 : 1;
  rounds.push(round);
  const { pieces, calls } = ROUNDS[round - 1];
  // Whoever keeps messages may tell them apart by this.
  const id = `chatcmpl-${randomUUID()}`;
  const head = (object) => ({ id, object, created: 1, model: 'gpt' });
  await pause(400);
  const finish_reason = calls.length > 0 ? 'tool_calls' : 'stop';
  const usage = { prompt_tokens: 100, completion_tokens: 10, total_tokens: 110 };
  if (!stream) {
    const message = {
      role: 'assistant',
      content: pieces.join(''),
      ...(calls.length > 0 && { tool_calls: calls }),
    };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({ ...head('chat.completion'), choices: [{ index: 0, message, finish_reason }], usage }),
    );
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (choices, more = {}) =>
    response.write(`data: ${JSON.stringify({ ...head('chat.completion.chunk'), choices, ...more })}\n\n`);
  const delta = (of, reason = null) => send([{ index: 0, delta: of, finish_reason: reason }]);
  delta({ role: 'assistant', content: '' });
  for (const content of pieces) {
    await pause(150);
    delta({ content });
  }
  for (const [index, one] of calls.entries()) delta({ tool_calls: [{ index, ...one }] });
  delta({}, finish_reason);
  send([], { usage });
  response.end('data: [DONE]\n\n');
}
