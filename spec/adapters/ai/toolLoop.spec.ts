import * as t from 'io-ts';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';

import type { ToolOptions } from '../../../adapters/ai/index';
import { tool, toolLoop } from '../../../adapters/ai/index';
import type { Agent } from '../../../index';
import { agent, answer, execute, fork, memoryStore, outputs, partials, resume, run } from '../../../index';
import type { ModelScript } from '../../../testing/index';
import { crashPoints, fakeModel, recordingStore } from '../../../testing/index';

const City = t.type({ city: t.string });

function setUp(script: ModelScript) {
  const asked: string[] = [];
  const weather = agent(
    'weather',
    ({ city }: t.TypeOf<typeof City>) => {
      asked.push(city);
      if (city === 'Atlantis') throw new Error('no such city');
      return { city, rain: true };
    },
    { input: City },
  );
  const model = fakeModel(script);
  const described = tool(weather, { description: 'The weather in a city.' });
  return { asked, model, weather: described };
}

const rainy: ModelScript = [
  {
    toolCalls: [
      { tool: 'weather', arguments: { city: 'Seoul' } },
      { tool: 'weather', arguments: { city: 'Busan' } },
    ],
  },
  { text: ['It rains', ' everywhere.'], usage: { inputTokens: 10, outputTokens: 4 } },
];

describe('a toolLoop', () => {
  it('asks the model, runs its tools side by side, tells it the results, and gives its answer', async () => {
    const { asked, model, weather } = setUp(rainy);
    const assistant = toolLoop('assistant', { model, tools: [weather], system: 'Be short.' });

    const end = await lastValueFrom(run(assistant, 'And the weather?').pipe(outputs()));

    expect(end).toEqual({
      text: 'It rains everywhere.',
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'And the weather?' },
        {
          role: 'assistant',
          content: '',
          toolCalls: [
            { id: 'call_0', tool: 'weather', arguments: { city: 'Seoul' } },
            { id: 'call_1', tool: 'weather', arguments: { city: 'Busan' } },
          ],
        },
        { role: 'tool', callId: 'call_0', tool: 'weather', content: '{"city":"Seoul","rain":true}' },
        { role: 'tool', callId: 'call_1', tool: 'weather', content: '{"city":"Busan","rain":true}' },
        { role: 'assistant', content: 'It rains everywhere.' },
      ],
    });
    expect(asked).toEqual(['Seoul', 'Busan']);
    expect(model.calls[0]?.tools).toEqual([
      {
        name: 'weather',
        description: 'The weather in a city.',
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
      },
    ]);
  });

  it('streams the text of the model before its call ends, and counts what it used', async () => {
    const { model, weather } = setUp(rainy);
    const assistant = toolLoop('assistant', { model, tools: [weather] });
    const store = memoryStore();

    const pieces = await firstValueFrom(
      run(assistant, 'weather?', { store, runId: 'r' }).pipe(partials<string>('round[1]/model'), toArray()),
    );

    expect(pieces.map(({ value }) => value)).toEqual(['It rains', ' everywhere.']);
    expect((await store.loadRun('r'))?.used).toEqual({ tokens: 14 });
  });

  it('tells the model what went wrong: arguments, the tool itself, a tool that is not there', async () => {
    const { model, weather } = setUp([
      {
        toolCalls: [
          { tool: 'weather', arguments: { town: 'Seoul' } },
          { tool: 'weather', arguments: { city: 'Atlantis' } },
          { tool: 'whether', arguments: {} },
          { tool: 'weather', arguments: 'not even JSON' },
        ],
      },
      { text: 'I give up.' },
    ]);
    const { messages } = await lastValueFrom(
      run(toolLoop('assistant', { model, tools: [weather] }), 'x').pipe(outputs()),
    );

    expect(messages.flatMap((one) => (one.role === 'tool' ? [[one.isError, one.content]] : []))).toEqual([
      [true, expect.stringContaining('.city expected string, got undefined')],
      [true, 'It failed: no such city'],
      [true, 'There is no tool "whether", only weather.'],
      [true, expect.stringContaining('it expected { city: string }, got string')],
    ]);
  });

  it('fails when nothing but failures comes of the tools, and when it finds no end', async () => {
    const { model, weather } = setUp(() => ({
      toolCalls: [{ tool: 'weather', arguments: { city: 'Atlantis' } }],
    }));
    const stubborn = toolLoop('assistant', { model, tools: [weather] });
    await expect(lastValueFrom(run(stubborn, 'x'))).rejects.toThrow(
      'Cannot go on with "assistant": every tool failed, round after round (weather: It failed: no such city)',
    );
    expect(model.calls).toHaveLength(3);

    const endless = setUp(() => ({ toolCalls: [{ tool: 'weather', arguments: { city: 'Seoul' } }] }));
    const loop = toolLoop('assistant', { model: endless.model, tools: [endless.weather], maxRounds: 4 });
    await expect(lastValueFrom(run(loop, 'x'))).rejects.toThrow('4 rounds');
  });

  it('goes on from the round in which every tool failed once they are mended, in a fork as the error says', async () => {
    let isDown = true;
    const called: boolean[] = [];
    const look = agent(
      'look',
      () => {
        called.push(isDown);
        if (isDown) throw new Error('down');
        return 'up';
      },
      { input: t.type({}) },
    );
    const model = fakeModel(({ messages }) =>
      messages.at(-1)?.content === 'up' ? { text: 'It is up.' } : { toolCalls: [{ tool: 'look' }] },
    );
    const loop = toolLoop('assistant', { model, tools: [tool(look, { description: 'Looks.' })] });
    const store = memoryStore();
    const { error } = await execute(loop, 'x', { store, runId: 'r' });
    expect([error?.code, error?.path, called.length]).toEqual(['TOOLS_FAILED', 'round[2]', 3]);
    expect(error?.message).toContain('fork() the run from the round that failed');

    isDown = false;
    expect((await execute(loop, 'x', { store, runId: 'r' })).error?.code).toBe('TOOLS_FAILED');
    expect(called).toHaveLength(3);
    const forked = await fork('r', { store, from: error?.path ?? '' });
    const { output } = await execute(loop, 'x', { store, runId: forked });
    expect([output?.text, called]).toEqual(['It is up.', [true, true, true, false]]);
  });

  it('asks a person about one call while another runs, and tells the model who refused', async () => {
    const { asked, model, weather } = setUp(rainy);
    const asking = {
      ...weather,
      approve: ({ arguments: args }: { arguments: unknown }) => (args as { city: string }).city === 'Busan',
    };
    const assistant = toolLoop('assistant', { model, tools: [asking] });
    const store = memoryStore();
    await lastValueFrom(run(assistant, 'x', { store, runId: 'r' }));

    expect(asked).toEqual(['Seoul']);
    const path = 'round[0]/tools["call_1"]/tool/weather/approve';
    expect((await store.listRuns())[0]?.waiting).toEqual([expect.objectContaining({ path })]);
    await answer('r', path, { approved: false, reason: 'too far' }, { store });
    const { messages } = await lastValueFrom(resume(assistant, 'r', { store }).pipe(outputs()));
    expect(messages[3]).toEqual({
      role: 'tool',
      callId: 'call_1',
      tool: 'weather',
      content: 'A person has refused this call: too far.',
      isError: true,
    });
    expect(asked).toEqual(['Seoul']);
  });

  it('does not take a refusal for a failure of the tool, however often a person refuses', async () => {
    const { weather } = setUp(rainy);
    const model = fakeModel(({ messages }) =>
      messages.filter(({ role }) => role === 'tool').length < 3
        ? { toolCalls: [{ tool: 'weather', arguments: { city: 'Busan' } }] }
        : { text: 'Then not.' },
    );
    const assistant = toolLoop('assistant', { model, tools: [{ ...weather, approve: () => true }] });
    const store = memoryStore();
    for (const round of [0, 1, 2]) {
      await execute(assistant, 'x', { store, runId: 'r' });
      const path = `round[${String(round)}]/tools["call_0"]/tool/weather/approve`;
      await answer('r', path, { approved: false }, { store });
    }
    const { error, output } = await execute(assistant, 'x', { store, runId: 'r' });

    expect([error, output?.text]).toEqual([undefined, 'Then not.']);
  });

  it('asks a person by the arguments as the tool will get them, and about none that do not fit', async () => {
    const { asked, model, weather } = setUp([
      { toolCalls: [{ tool: 'weather', arguments: { town: 'Seoul' } }] },
      { toolCalls: [{ tool: 'weather', arguments: { city: 'Busan' } }] },
      { text: 'It rains.' },
    ]);
    const seen: string[] = [];
    const careful = tool(weather.agent as Agent<t.TypeOf<typeof City>, unknown>, {
      description: 'The weather in a city.',
      approve: ({ arguments: { city } }) => {
        seen.push(city);
        return city === 'Busan';
      },
    });
    const asTold: ToolOptions<t.TypeOf<typeof City>> = {
      description: '',
      // @ts-expect-error the tool takes no `town`
      approve: ({ arguments: { town } }) => town === 'Busan',
    };
    expect(asTold.approve).toBeDefined();
    const store = memoryStore();
    const assistant = toolLoop('assistant', { model, tools: [careful] });
    const { status, steps } = await execute(assistant, 'x', { store, runId: 'r' });

    expect([status, seen, asked]).toEqual(['SUSPENDED', ['Busan'], []]);
    expect(steps.get('round[1]/tools["call_0"]/tool/weather/approve')?.status).toBe('SUSPENDED');
  });

  it('has an answer of the form that was asked for, after telling the model once that it was another', async () => {
    const { model } = setUp([{ text: '{"sum":"2"}' }, { text: '```json\n{"sum":2}\n```' }]);
    const sum = toolLoop('sum', { model, output: t.type({ sum: t.number }) });
    const end = await lastValueFrom(run(sum, '1+1').pipe(outputs()));

    expect(end.output.sum).toBe(2);
    expect(end.messages[2]).toEqual({
      role: 'user',
      content:
        'Your answer does not have the form that was asked for: .sum expected number, got string. Give it again, as JSON only.',
    });
    expect(model.calls[0]?.output?.schema).toMatchObject({ required: ['sum'] });

    const never = toolLoop('sum', {
      model: fakeModel(() => ({ text: 'two' })),
      output: t.type({ sum: t.number }),
    });
    await expect(lastValueFrom(run(never, '1+1'))).rejects.toThrow('last answer of "sum"');
  });

  it('is refused at once with a form that no model can be told, and without a round', () => {
    const { model } = setUp([{ text: '{}' }]);
    expect(() => toolLoop('sum', { model: { modelId: 'gpt' } as never })).toThrow(
      'its model must be an agent, such as aiSdkModel() and openAiModel() make, got object',
    );
    for (const none of [0, NaN]) {
      expect(() => toolLoop('sum', { model, maxFailures: none })).toThrow('maxFailures is');
      expect(() => toolLoop('sum', { model, maxRounds: none })).toThrow('max is');
    }
    const Even = new t.Type<number, number>('Even', t.number.is, t.number.validate, t.identity);
    expect(() => toolLoop('sum', { model, output: Even })).toThrow('the codec "Even"');
  });

  it('goes on with the conversation of an earlier run, and with a shorter one', async () => {
    const { model } = setUp([{ text: 'one' }, { text: 'two' }]);
    const first = await lastValueFrom(run(toolLoop('talk', { model, system: 's' }), 'a').pipe(outputs()));
    const talk = toolLoop('talk', {
      model,
      system: 's',
      compact: (all) => all.filter(({ role }) => role !== 'user'),
    });
    const { text } = await lastValueFrom(
      run(talk, [...first.messages, { role: 'user', content: 'b' }]).pipe(outputs()),
    );

    expect(text).toBe('two');
    expect(model.calls[1]?.messages).toEqual([
      { role: 'system', content: 's' },
      { role: 'assistant', content: 'one' },
    ]);
  });

  it('repeats nothing whose end was told, wherever it dies, and says the same in the end', async () => {
    const { asked, model, weather } = setUp(rainy);
    const assistant = toolLoop('assistant', { model, tools: [weather] });
    const recording = recordingStore(memoryStore());
    const undisturbed = await execute(assistant, 'x', { store: recording, runId: 'r' });

    for (const { store, finished } of crashPoints(recording, 'r')) {
      asked.length = 0;
      const before = model.calls.length;
      const end = await lastValueFrom(resume(assistant, 'r', { store }).pipe(outputs()));

      expect(end).toEqual(undisturbed.output);
      expect(asked).toHaveLength(2 - finished.filter((path) => path.endsWith('/call')).length);
      expect(model.calls.length - before).toBe(2 - finished.filter((path) => path.endsWith('/model')).length);
    }
  });
});
