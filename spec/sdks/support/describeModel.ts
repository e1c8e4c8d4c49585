import { lastValueFrom, toArray } from 'rxjs';

import type { Model, ModelOptions, ModelRequest } from '../../../adapters/ai/index';
import { memoryStore, outputs, partials, resume, run } from '../../../index';
import type { ModelServer, Scenario } from './modelServer';
import { modelServer } from './modelServer';

/** Makes a model of an SDK that asks this server for one of its scenarios. */
export type MakeModel = (server: ModelServer, scenario: Scenario, options?: ModelOptions) => Model;

const question: ModelRequest = {
  messages: [
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'And the weather?' },
  ],
};
const conversation: ModelRequest = {
  messages: [
    ...question.messages,
    {
      role: 'assistant',
      content: 'Let me see.',
      toolCalls: [{ id: 'call_1', tool: 'weather', arguments: { city: 'Seoul' } }],
    },
    { role: 'tool', callId: 'call_1', tool: 'weather', content: '{"rain":true}' },
  ],
  tools: [
    {
      name: 'weather',
      description: 'The weather in a city.',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  ],
};

/** What every model must do, whichever SDK it comes from. */
export function describeModel(name: string, make: MakeModel): void {
  describe(`a model of ${name}`, () => {
    let server: ModelServer;
    beforeEach(async () => {
      server = await modelServer();
    });
    afterEach(() => server.close());

    const ask = (model: Model, request: ModelRequest = question) =>
      lastValueFrom(run(model, request).pipe(outputs()));

    it('streams its text, and says what it used and cost; the whole can be saved', async () => {
      const store = memoryStore();
      const model = make(server, 'plain', { price: { input: 1, output: 2 } });
      const pieces = await lastValueFrom(
        run(model, question, { store, runId: 'r' }).pipe(partials<string>(), toArray()),
      );

      expect(pieces.map(({ value }) => value)).toEqual(['It ', 'rains.']);
      expect(await lastValueFrom(resume(model, 'r', { store }).pipe(outputs()))).toEqual({
        text: 'It rains.',
        toolCalls: [],
        finish: 'stop',
        usage: { inputTokens: 7, outputTokens: 3, tokens: 10, usd: 0.000013 },
      });
      expect((await store.loadRun('r'))?.used).toEqual({ tokens: 10, usd: 0.000013 });
      expect(JSON.stringify(server.bodies[0])).toContain('Be short.');
    });

    it('asks for a tool, and hears what came of it', async () => {
      const answer = await ask(make(server, 'tools'), conversation);

      expect(answer).toMatchObject({
        text: '',
        finish: 'tools',
        toolCalls: [{ id: 'call_1', tool: 'weather', arguments: { city: 'Seoul' } }],
      });
      const sent = JSON.stringify(server.bodies[0]);
      expect(sent).toContain('The weather in a city.');
      expect(sent).toContain(JSON.stringify('{"rain":true}').slice(1, -1));
      expect(sent).toContain('call_1');
    });

    it('is asked again after it failed, and once only: the SDK does not repeat it too', async () => {
      expect((await ask(make(server, 'broken', { retry: 1 }))).text).toBe('It rains.');
      expect(server.bodies).toHaveLength(2);
    });

    it('waits as long as the server asks, and repeats no request that it refused', async () => {
      let waitedMs = Infinity;
      // The least of three: a busy machine may hold up any of them.
      for (let round = 0; round < 3 && waitedMs >= 4_000; round += 1) {
        const busy = await modelServer();
        expect((await ask(make(busy, 'busy', { retry: 3 }))).text).toBe('It rains.');
        const [first = 0, second = 0] = busy.times;
        waitedMs = Math.min(waitedMs, second - first);
        await busy.close();
      }
      expect(waitedMs).toBeGreaterThanOrEqual(1_990);
      expect(waitedMs).toBeLessThan(4_000);

      const before = server.bodies.length;
      await expect(ask(make(server, 'refused', { retry: 3 }))).rejects.toMatchObject({
        failure: { status: 400 },
      });
      expect(server.bodies).toHaveLength(before + 1);
    });

    it.each(['cut', 'empty', 'malformed'] as const)(
      'fails when its stream is %s, and may be asked again',
      async (scenario) => {
        await expect(ask(make(server, scenario, { retry: { count: 1, delayMs: 1 } }))).rejects.toThrow();
        expect(server.bodies).toHaveLength(2);
      },
    );

    it('closes the connection within 100 ms when nobody listens any more', async () => {
      const closing = async (): Promise<number> => {
        let leftAt = 0;
        const subscription = run(make(server, 'slow'), question)
          .pipe(partials())
          .subscribe({
            next: () => {
              leftAt = performance.now();
              subscription.unsubscribe();
            },
          });
        return (await server.left()) - leftAt;
      };

      // A busy machine may hold up any of them, and code that runs for the first time is slow.
      const took = [await closing(), await closing(), await closing(), await closing(), await closing()];
      expect(Math.min(...took)).toBeLessThan(100);
    });
  });
}
