import type { RunEvent, StepSkipped } from '../../lib/model/event';
import { changeText } from '../../lib/report/changeLine';
import { durationText } from '../../lib/report/columns';
import type { Output } from './output';

/** What an event says, in words; undefined for events that are too frequent. */
export function eventText(event: RunEvent, { lang }: Pick<Output, 'lang'>): string | undefined {
  return lang === 'ko' ? korean(event) : changeText(event);
}

/** As `changeText()` has it in English. */
function korean(event: RunEvent): string | undefined {
  switch (event.type) {
    case 'run.started':
      return '시작';
    case 'run.imported':
      return '있는 그대로 가져옴';
    case 'run.resumed':
      return `이어 감, 끝난 단계 ${event.reused}개 재사용`;
    case 'step.started':
      return event.attempt === 1 ? '시작' : `시작, ${event.attempt}번째 시도`;
    case 'step.retrying':
      return `${event.attempt}번째 시도 실패, ${event.delayMs} ms 뒤에 다시: ${event.error.message}`;
    case 'step.completed':
      return `완료, ${durationText(event.duration)}`;
    case 'step.failed':
    case 'run.failed':
      return `실패, ${durationText(event.duration)}: ${event.error.message}`;
    case 'step.skipped':
      return `건너뜀, ${skipReasons[event.reason]}`;
    case 'step.cancelled':
      return '취소됨';
    case 'step.suspended':
      return '답을 기다림';
    case 'step.answered':
      return event.by === 'answer' ? '답을 받음' : '제때 답을 받지 못함';
    case 'run.completed':
      return event.replayed === true ? '이미 완료된 실행' : `완료, ${durationText(event.duration)}`;
    case 'run.suspended':
      return event.waiting.length > 0
        ? `기다림: ${event.waiting.join(', ')}`
        : '멈춤, 맡는 프로세스가 생기면 이어 감';
    case 'run.cancelled':
      return `취소됨, ${durationText(event.duration)}${event.error === undefined ? '' : `: ${event.error.message}`}`;
    case 'step.emitted':
    case 'step.logged':
      return undefined;
  }
}

const skipReasons: Readonly<Record<StepSkipped['reason'], string>> = {
  when: '조건이 거짓이었음',
  lost: '다른 단계가 먼저 끝났음',
  upstream: '필요한 단계가 실패했음',
  abandoned: '더는 필요하지 않음',
};
