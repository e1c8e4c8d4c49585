import type { SchedulerLike } from 'rxjs';

import type { Decided } from '../../lib/graph/answer';
import type { Engine } from '../../lib/graph/engine';
import type { AnswerCache } from '../../lib/store/answerCache';
import { admitTo } from './admitTo';
import { after } from './after';
import { memorizeIn, recallFrom } from './answerCache';

type AnsweredHere = Required<Pick<Engine, 'now' | 'admit' | 'recall' | 'memorize' | 'decide' | 'sleep'>>;

/**
 * What an engine that carries out steps in this process answers by itself: limits count here, decisions are made at once,
 * and waiting is a timer.
 *
 * @param cache - Where answers rest that others may use; without it nobody's is known.
 */
export function answeredHere(cache: AnswerCache | undefined, scheduler: SchedulerLike): AnsweredHere {
  return {
    now: () => scheduler.now(),
    admit: (limit, { input }, enter) => admitTo(limit, input, scheduler, enter),
    recall(task, answer) {
      recallFrom(cache, task, scheduler.now(), answer);
    },
    memorize(task, known) {
      memorizeIn(cache, task, scheduler.now(), known);
    },
    decide(_path, _question, decision, answer) {
      answer(decided(decision));
    },
    sleep: (_path, delayMs, wake) => after(scheduler, delayMs, wake),
  };
}

function decided<T>(decision: () => T): Decided<T> {
  try {
    return { ok: true, value: decision() };
  } catch (error) {
    return { ok: false, error };
  }
}
