/**
 * What an engine outside of this folder builds on: calling functions, and telling events as transitions.
 *
 * @internal
 */
export { admitTo } from './internal/admitTo';
export { answeredHere } from './internal/answeredHere';
export { memorizeIn, recallFrom } from './internal/answerCache';
export { callFunction } from './internal/callFunction';
export { downstream } from './internal/downstream';
export { forkedState } from './internal/forkedState';
export { hashOf } from './internal/hashOf';
export { newRunId } from './internal/newRunId';
export { newTask } from './internal/newTask';
export { transitionsFrom } from './internal/transitions';
