import type { AnswerMessage } from '../model/message';
import type { StepResult } from '../model/stepResult';
import type { Stop } from '../streams/pull';
import type { KeptSignal, SignalBox } from './signalRest';

/** A signal as the answer to a question. */
export function answerOf(
  { value, at, ...signal }: KeptSignal,
  meant: {
    readonly path: string;
    readonly asking: string | undefined;
    readonly incarnation: string | undefined;
  },
): AnswerMessage {
  const { path, asking, incarnation } = meant;
  return {
    kind: 'answer',
    path,
    value,
    at,
    ...(asking !== undefined && { asking }),
    ...(incarnation !== undefined && { incarnation }),
    signal,
  };
}

/** The signal that an answer was made of; undefined for any other. */
export function signalIn({ signal, value, at = 0 }: AnswerMessage): KeptSignal | undefined {
  return signal === undefined ? undefined : { ...signal, value, at };
}

/** Whether a step has on record that it has taken this signal. */
export function hasTaken(row: StepResult | undefined, signalId: string): boolean {
  return row?.signalIds?.includes(signalId) === true;
}

/**
 * Offers signals of a name, one after another, until one is taken.
 *
 * @param take - Undefined when it does not want the signal; otherwise whether it has got it, which another one may have.
 */
export function offerSignals(
  signals: SignalBox,
  name: string,
  take: (signal: KeptSignal) => Promise<boolean> | undefined,
): Stop {
  let isOver = false;
  let isTaking = false;
  let stop: Stop | undefined;
  const hear = (): void => {
    stop = signals.hear(name, (signal) => {
      if (isOver || isTaking) return;
      const got = take(signal);
      if (got === undefined) return;
      isTaking = true;
      void got.then((isGot) => {
        isTaking = false;
        if (isOver || isGot) return;
        // What came meanwhile has not been looked at.
        stop?.();
        hear();
      });
    });
  };
  hear();
  return () => {
    isOver = true;
    stop?.();
  };
}
