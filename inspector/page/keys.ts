import { shellText } from '../../lib/report/shellText';
import { copyText } from './details';
import { act, tabs, view } from './machine';
import { goLive, stepTo, toggleDiff, togglePlay } from './momentBar';
import { pan, reveal, rows, zoomAround, zoomToSelection } from './rows';
import type { Row } from './rowList';
import { storeCommand, goToRun, mayWrite, openRun, runList, selectedRun, storeName } from './pageState';
import type { TextKey } from './texts';

/** The keys of the page, for the table of keys; what they do is the text of that name. */
export const keyTable = [
  'j ↓',
  'k ↑',
  '→ ←',
  'Enter',
  'f F',
  'c',
  'h',
  'w s',
  'a e',
  '0 1',
  'i',
  'l L',
  '[ ]',
  '{ }',
  'Space',
  '.',
  'd',
  'r',
  'x',
  'y Y',
  'Alt+1…6',
  '/ Esc',
  'g r',
  'g l',
  'g m',
  'g s',
  'g d',
] as const satisfies readonly TextKey[];

let wasG = false;

/** Listens to the keyboard as long as the page lives. */
export function followKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.isComposing || view.peek().dialog !== undefined) return;
    const target = event.target as HTMLElement;
    const isWriting = target.matches(
      'input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select',
    );
    if (isWriting) {
      if (event.key === 'Escape') leaveFilter(target);
      return;
    }
    if (event.altKey) {
      const tab = /^Digit[1-6]$/.test(event.code) ? tabs[Number(event.code.slice(5)) - 1] : undefined;
      if (tab !== undefined && hasRun()) {
        act({ type: 'show', change: { tab } });
        event.preventDefault();
      }
      return;
    }
    const afterG = wasG;
    wasG = event.key === 'g' && !afterG;
    if (afterG ? goesTo(event.key) : does(event.key, target)) event.preventDefault();
  });
}

function leaveFilter(field: HTMLElement): void {
  if (view.peek().filter !== '') act({ type: 'show', change: { filter: '' } });
  field.blur();
  document.querySelector<HTMLElement>('.rows, .runs')?.focus();
}

function goesTo(key: string): boolean {
  const { store, runId } = view.peek();
  switch (key) {
    case 'r':
      act({ type: 'go', to: { screen: 'runs', store } });
      return true;
    case 'm':
    case 's':
      act({ type: 'go', to: { screen: key === 'm' ? 'metrics' : 'streams' } });
      return true;
    case 'l':
      if (runId !== '') act({ type: 'go', to: { screen: 'logs', store, runId } });
      return runId !== '';
    case 'd':
      act({ type: 'go', to: { screen: 'definition', store, runId } });
      return true;
    default:
      return false;
  }
}

function does(key: string, target: HTMLElement): boolean {
  if (key === '?') {
    act({ type: 'dialog', dialog: { kind: 'keys' } });
    return true;
  }
  if (key === '/') {
    document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
    return true;
  }
  const { screen } = view.peek();
  if (screen === 'runs') return doesInRuns(key, target);
  if (screen !== 'run') {
    if (key !== 'Escape') return false;
    history.back();
    return true;
  }
  return doesInRun(key, target) || doesInTime(key);
}

function doesInRuns(key: string, target: HTMLElement): boolean {
  const all = runList.peek()?.runs ?? [];
  const move = (by: number): boolean => {
    selectedRun.value = Math.min(all.length - 1, Math.max(0, selectedRun.peek() + by));
    document.querySelectorAll('.runs .row')[selectedRun.peek()]?.scrollIntoView({ block: 'nearest' });
    return true;
  };
  switch (key) {
    case 'j':
    case 'ArrowDown':
      return move(1);
    case 'k':
    case 'ArrowUp':
      return move(-1);
    case 'f':
    case 'F': {
      const step = key === 'f' ? 1 : -1;
      for (let at = selectedRun.peek() + step; at >= 0 && at < all.length; at += step)
        if (all[at]?.status === 'FAILED') return move(at - selectedRun.peek());
      return true;
    }
    case 'Enter': {
      if (target.matches('button, a')) return false;
      const run = all[selectedRun.peek()];
      if (run !== undefined) goToRun(storeName(), run.runId);
      return true;
    }
    default:
      return false;
  }
}

const hasRun = (): boolean => openRun.peek() !== undefined && view.peek().screen === 'run';

function select(path: string): boolean {
  act({ type: 'show', change: { step: path } });
  reveal(path);
  return true;
}

type StepRow = Row & { readonly kind: 'step' };

/** The next line that fits, from the selected one on; around the end once. */
function next(direction: 1 | -1, fits: (row: StepRow) => boolean, wraps: boolean): boolean {
  const all = rows.peek();
  const { step } = view.peek();
  const here = all.findIndex((row) => row.kind === 'step' && row.node.path === step);
  const begin = here === -1 && direction === -1 ? all.length : here;
  for (let away = 1; away <= all.length; away += 1) {
    const place = begin + away * direction;
    if (!wraps && (place < 0 || place >= all.length)) break;
    const row = all[(place + all.length) % all.length];
    if (row?.kind === 'step' && fits(row)) return select(row.node.path);
  }
  return true;
}

function doesInRun(key: string, target: HTMLElement): boolean {
  const { step, hidesDone } = view.peek();
  const fold = openRun.peek()?.fold;
  if (fold === undefined) return false;
  const row = rows.peek().find((each): each is StepRow => each.kind === 'step' && each.node.path === step);
  const isSlider = target.matches('input');
  switch (key) {
    case 'j':
      return next(1, () => true, false);
    case 'k':
      return next(-1, () => true, false);
    case 'ArrowDown':
      return !isSlider && next(1, () => true, false);
    case 'ArrowUp':
      return !isSlider && next(-1, () => true, false);
    case 'ArrowRight':
    case 'ArrowLeft':
      return !isSlider && row !== undefined && foldRow(row, key === 'ArrowRight');
    case 'Enter':
      if (target.matches('button, a, select')) return false;
      document.querySelector<HTMLElement>('.panel')?.focus();
      return true;
    case 'f':
    case 'F':
      return nextFailure(key === 'f' ? 1 : -1);
    case 'c':
      return nextCritical(fold.critical());
    case 'h':
      act({ type: 'show', change: { hidesDone: !hidesDone } });
      return true;
    case 'r':
      if (mayWrite.peek()) act({ type: 'dialog', dialog: { kind: 'rerun', path: step } });
      return true;
    case 'x': {
      const path = row?.status === 'SUSPENDED' ? step : openRun.peek()?.reply.value?.waiting[0]?.path;
      if (mayWrite.peek() && path !== undefined) act({ type: 'dialog', dialog: { kind: 'answer', path } });
      return true;
    }
    case 'y':
      copyText(step ?? view.peek().runId);
      return true;
    case 'Y':
      copyText(
        storeCommand('show', [view.peek().runId], step === undefined ? '' : shellText(['--step', step])),
      );
      return true;
    case 'Escape':
      if (view.peek().since !== undefined) toggleDiff();
      else if (view.peek().filter !== '') act({ type: 'show', change: { filter: '' } });
      else if (step !== undefined) act({ type: 'show', change: { step: undefined } });
      else act({ type: 'go', to: { screen: 'runs' } });
      return true;
    default:
      return false;
  }
}

function foldRow({ node, isGroup, isOpen }: StepRow, opens: boolean): boolean {
  if (opens) {
    if (isGroup && !isOpen) act({ type: 'fold', path: node.path, isOpen: true });
    return true;
  }
  if (isGroup && isOpen) act({ type: 'fold', path: node.path, isOpen: false });
  else {
    let { above } = node;
    while (above !== undefined && above.path !== '' && above.status === undefined) above = above.above;
    if (above !== undefined && above.path !== '') select(above.path);
  }
  return true;
}

/** The next step that failed, of those that fail by themselves: the way to it is opened. */
function nextFailure(direction: 1 | -1): boolean {
  return next(direction, ({ status, node }) => status === 'FAILED' && node.below.FAILED === 0, true);
}

function nextCritical(critical: ReadonlySet<string>): boolean {
  return next(1, ({ node }) => critical.has(node.path), true);
}

function doesInTime(key: string): boolean {
  const { cutsIdle, life } = view.peek();
  const lives = openRun.peek()?.fold.lifeStarts.length ?? 0;
  switch (key) {
    case 'w':
      zoomAround(0.6);
      return true;
    case 's':
      zoomAround(1.7);
      return true;
    case 'a':
      pan(-0.25);
      return true;
    case 'e':
      pan(0.25);
      return true;
    case '0':
      act({ type: 'show', change: { zoom: undefined } });
      return true;
    case '1':
      zoomToSelection();
      return true;
    case 'i':
      act({ type: 'show', change: { cutsIdle: !cutsIdle, zoom: undefined } });
      return true;
    case 'l':
    case 'L':
      if (lives > 1)
        act({
          type: 'show',
          change: { life: (life + (key === 'l' ? 1 : lives)) % (lives + 1), zoom: undefined },
        });
      return true;
    case '[':
    case ']':
      stepTo(key === ']' ? 1 : -1, false);
      return true;
    case '{':
    case '}':
      stepTo(key === '}' ? 1 : -1, true);
      return true;
    case ' ':
      togglePlay();
      return true;
    case '.':
      goLive();
      return true;
    case 'd':
      toggleDiff();
      return true;
    default:
      return false;
  }
}
