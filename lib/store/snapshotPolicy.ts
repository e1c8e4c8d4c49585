import type { Transition } from '../model/transition';

/**
 * Says under which names the state after a transition is saved; nothing when it is not. Asked for every transition, in
 * order. Any function will do: `({ event }) => event.type === 'step.completed' && event.path === 'pay' ? 'paid' : undefined`.
 */
export type SnapshotPolicy = (transition: Transition) => string | readonly string[] | undefined;
