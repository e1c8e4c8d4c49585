import { follower } from '../../adapters/restate/client/follower';
import type { SideEvent, WireEvent } from '../../adapters/restate/protocol/protocol';
import { agent } from '../../index';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import type { RunEvent } from '../../lib/model/event';
import { idleState } from '../../lib/model/state';

const one = agent('a', (word: string) => word);
const definition = definitionOf(one) as Definition;

/** Follows a life, and notes what is told of it. */
function followed() {
  const told: string[] = [];
  const follow = follower(idleState('r', 'a', planOf(definition)), definition, ({ event }) =>
    told.push(`${event.seq} ${event.type} ${'path' in event ? event.path : ''}`.trim()),
  );
  return { follow, told };
}

const started: WireEvent = { type: 'run.started', at: 1, name: 'a', input: 'x' };
const step = (type: string, path: string, attempt = 1): WireEvent =>
  ({
    type,
    at: 1,
    path,
    agent: 'a',
    attempt,
    ...(type === 'step.completed' && { output: 1, duration: 0 }),
  }) as WireEvent;
/** Told beside the journal, with a number of the worker. */
const beside = (type: string, path: string, attempt = 1): SideEvent => ({
  key: `${type === 'step.emitted' ? 'e' : 'n'}:${attempt}:${path}:${type}`,
  under: { path: 'a', attempt, execution: `e${attempt}` },
  event: { ...step(type, path), runId: 'elsewhere', seq: 17, index: 0, value: 1 } as unknown as RunEvent,
});

describe('whoever follows a life', () => {
  it('hears what is told beside the journal with the numbers of the events around it', () => {
    const { follow, told } = followed();
    follow.events(0, [started, step('step.started', 'a')]);
    follow.parts([
      beside('step.emitted', 'a'),
      beside('step.started', 'a/b'),
      beside('step.completed', 'a/b'),
    ]);
    follow.events(2, [step('step.completed', 'a')]);

    expect(told).toEqual([
      '1 run.started',
      '2 step.started a',
      '2 step.emitted a',
      '3 step.started a/b',
      '4 step.completed a/b',
      '5 step.completed a',
    ]);
    expect(follow.state().seq).toBe(5);
  });

  it('hears of a step below a call that was stopped also when its end was read first', () => {
    const { follow, told } = followed();
    follow.events(0, [started, step('step.started', 'a'), step('step.cancelled', 'a')]);
    follow.parts([beside('step.started', 'a/b'), beside('step.completed', 'a/b')]);

    expect(told.slice(3)).toEqual(['4 step.started a/b', '5 step.completed a/b']);
    expect(follow.state().steps.get('a/b')?.status).toBe('COMPLETED');
  });

  it('does not mix what an earlier attempt tells late with the attempt under way', () => {
    const { follow, told } = followed();
    follow.events(0, [
      started,
      step('step.started', 'a'),
      step('step.cancelled', 'a'),
      step('step.started', 'a', 2),
    ]);
    follow.parts([beside('step.started', 'a/b'), beside('step.started', 'a/b', 2)]);

    expect(told.slice(4)).toEqual(['5 step.started a/b']);
  });
});
