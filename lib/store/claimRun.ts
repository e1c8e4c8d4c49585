import { jsonValue } from '../codec/jsonValue';
import { typeName } from '../codec/typeName';
import { checkRunId } from '../errors/storageErrors';
import type { RunEvent, StepEmitted, StepLogged } from '../model/event';
import { isEnd } from '../model/event';
import { InvalidArgumentError, toFailure } from '../model/failure';
import type { RunState } from '../model/state';
import type { Durability } from './durability';
import { EventReader } from './events/eventReader';
import { keptForm, sideText } from './events/keptForm';
import { outputJournal } from './folder/deltas/writeDeltas';
import type { RunFold } from './folder/openRun';
import type { Claim, KeptEvents } from './store';

/** What a claim needs besides what it shares with all others. */
export interface ClaimOptions extends Required<Pick<Claim, 'cache' | 'inbox' | 'signals' | 'release'>> {
  readonly state: RunState | undefined;
  readonly events: KeptEvents;
  readonly durability: Durability;
  readonly fold: RunFold;
  /** Writes a record into the page cache. */
  readonly write: (json: string) => void;
  /** Resolves when everything written so far survives a power loss. */
  readonly sync: () => Promise<void>;
  /** Makes sure that what was written is ours to acknowledge. */
  readonly check: () => void;
}

/** An event as it is written. */
interface Text {
  readonly text: string;
  readonly type: RunEvent['type'];
}

/** The right to write down one life of a run in a journal; with `durability: 'end'` nothing is written before the end. */
export function claimRun(options: ClaimOptions): Claim {
  const { durability, fold, write, sync, check, inbox, events } = options;
  let kept: Text[] = [];
  const used: { done(): void }[] = [];
  let isEnded = false;
  const forgetUsed = (): void => {
    isEnded = true;
    for (const message of used.splice(0)) message.done();
  };
  const outputs = outputJournal();
  const put = (event: RunEvent): void => {
    const text = outputs.text(events === 'none' ? event : keptForm(event));
    writeText({ text, type: event.type }, isEnd(event));
    outputs.wrote(event);
  };
  const writeText = ({ text, type }: Text, isLast: boolean): void => {
    if (durability === 'end' && !isLast) {
      kept.push({ text, type });
      return;
    }
    if (kept.length > 0) writeKept();
    write(text);
    fold.add(text, type);
  };
  const writeKept = (): void => {
    let written = 0;
    try {
      for (const early of kept) {
        write(early.text);
        fold.add(early.text, early.type);
        written += 1;
      }
    } finally {
      kept = kept.slice(written);
    }
  };
  // Property by property: an object literal that spreads another one is one of its own kind for V8, at each run.
  const claim: Claim = {
    state: options.state,
    cache: options.cache,
    signals: options.signals,
    release: options.release,
    checksValues: true,
    append(event) {
      put(event);
      if (durability === 'disk') return sync();
      if (durability === 'end') return isEnd(event) ? sync().then(forgetUsed) : undefined;
      check();
      return undefined;
    },
    note: put,
    // A message must not be gone before the end that tells of it is on the disk.
    inbox:
      durability !== 'end'
        ? inbox
        : (listener) =>
            inbox((message) => {
              const done = (): void => {
                if (isEnded) message.done();
                else used.push(message);
              };
              listener({ ...message, done });
            }),
  };
  if (events !== 'none')
    claim.keep = (event: StepLogged | StepEmitted) => {
      if (event.type === 'step.emitted' && events !== 'all') return;
      const text = sideText(event);
      if (text !== undefined) writeText({ text, type: event.type }, false);
    };
  return claim;
}

/**
 * Refuses a state whose values would come back changed. One that was in a store has been checked value by value; a run without
 * a store may hold anything. The output of the run itself is not looked at: it stands there in its live form, and only its
 * agent knows what that looks like as JSON.
 *
 * @throws StateValueError naming the step.
 */
export function checkValues({ input, steps }: RunState): void {
  jsonValue(input, '');
  for (const { stepId, output, kept, request, answer } of steps) {
    jsonValue(output, stepId);
    if (kept !== undefined) jsonValue(kept, stepId);
    if (request !== undefined) jsonValue(request, stepId);
    if (answer !== undefined) jsonValue(answer.value, stepId);
  }
}

/**
 * Refuses what is no run that can be put into a store.
 *
 * @throws InvalidArgumentError when the state is none, or one of the events is none.
 * @throws StateValueError when values of the state would come back changed.
 */
export function checkImport(state: RunState, events?: readonly RunEvent[]): void {
  const { runId, steps } = (state as RunState | null | undefined) ?? ({} as Partial<RunState>);
  if (runId === undefined || typeof steps !== 'object' || !(Symbol.iterator in steps))
    throw new InvalidArgumentError(
      `Cannot put in a run: ${typeName(state)} is no state of a run`,
      'give a state from loadRun() or a snapshot',
    );
  checkRunId(runId);
  checkValues(state);
  if (events === undefined) return;
  const refuse = (why: string): never => {
    throw new InvalidArgumentError(
      `Cannot put in run "${runId}": ${why}`,
      'give the events that led to its state, as events() tells them, or leave them out',
    );
  };
  if (!Array.isArray(events)) refuse(`its events are ${typeName(events)}`);
  const reader = new EventReader(runId);
  for (const [index, event] of events.entries()) {
    try {
      reader.read(JSON.parse(JSON.stringify(event)) as object, 0);
    } catch (error) {
      refuse(`its event ${String(index + 1)} is none: ${toFailure(error).message}`);
    }
  }
}
