import { agent, run, workflow } from '../../index';
import type { Wire } from '../../index';
import { collect } from '../support/told';

describe('S34 run only what is needed', () => {
  it('does not call the agent of a step whose `when` says no', () => {
    const called = jest.fn((x: number) => x);
    const w = workflow('w', (input: Wire<number>, step) =>
      step('maybe', agent('maybe', called), input, { when: (x) => x > 5 }),
    );

    const { told, transitions } = collect(run(w, 1));

    expect(called).not.toHaveBeenCalled();
    expect(told).toEqual(['run.started', 'step.skipped maybe', 'run.completed']);
    expect(transitions.at(-1)?.state.steps.get('maybe')).toMatchObject({ status: 'SKIPPED', attempts: 0 });
  });
});
