import type { RunState } from '../model/state';
import type { StepResult } from '../model/stepResult';

/**
 * The state with values of its own, to be handed out: who gets it may change them, as agents may change what they are called
 * with, and what the store saves stays as it was. A value, or a step, is copied when it is first read: here they never change.
 */
export function stateCopy(state: RunState): RunState {
  const copy = { ...state, steps: state.steps.withRows(rowCopy) };
  for (const name of ['input', 'output', 'shared'] as const)
    if (isObject(state[name])) Object.defineProperty(copy, name, copiedWhenRead(state[name]));
  return Object.freeze(copy);
}

function copiedWhenRead(value: unknown): PropertyDescriptor {
  let copy: unknown;
  return { get: () => (copy ??= valueCopy(value)), enumerable: true };
}

function rowCopy(row: StepResult): StepResult {
  const { input, output, kept, request, answer, shared } = row;
  if (
    !isObject(input) &&
    !isObject(output) &&
    kept === undefined &&
    !isObject(request) &&
    !isObject(shared) &&
    answer === undefined
  )
    return row;
  const copy: StepResult = {
    ...row,
    ...('input' in row && { input: valueCopy(input) }),
    ...('output' in row && { output: valueCopy(output) }),
    ...(kept !== undefined && { kept: kept.map(valueCopy) }),
    ...('request' in row && { request: valueCopy(request) }),
    ...('shared' in row && { shared: valueCopy(shared) }),
    ...(answer !== undefined && { answer: valueCopy(answer) as typeof answer }),
  };
  return Object.freeze(copy);
}

/** A copy of a JSON value, at most 256 levels deep. */
function valueCopy(value: unknown): unknown {
  if (!isObject(value)) return value;
  // Of a list without objects V8 copies the memory.
  if (Array.isArray(value)) return value.some(isObject) ? value.map(valueCopy) : value.slice();
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = valueCopy(value[key]);
  return copy;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
