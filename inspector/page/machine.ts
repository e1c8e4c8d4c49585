import { signal } from '@preact/signals-core';

import { decoded } from '../decoded';

/** What can be looked at. */
export type Screen = 'runs' | 'run' | 'compare' | 'logs' | 'metrics' | 'streams' | 'definition';

/** The parts of what is known of a step. */
export type Tab = 'output' | 'input' | 'error' | 'logs' | 'events' | 'raw';

/** All tabs, in their order. */
export const tabs: readonly Tab[] = ['output', 'input', 'error', 'logs', 'events', 'raw'];

/** What stands over the page and wants to be dealt with first. */
export type Dialog =
  | { readonly kind: 'rerun'; readonly path: string | undefined }
  | { readonly kind: 'answer'; readonly path: string }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'diff' }
  | { readonly kind: 'keys' };

/** A run, by the store it rests in. */
export interface RunPlace {
  readonly store: string;
  readonly runId: string;
}

/** All that the page shows, beside what the runs themselves say. Everything but the dialog stands in the address. */
export interface View {
  readonly screen: Screen;
  /** Name of the store; empty for all of them. */
  readonly store: string;
  readonly runId: string;
  /** The run that is compared with. */
  readonly other: RunPlace | undefined;
  /** Path of the selected step; undefined for the run as a whole. */
  readonly step: string | undefined;
  /** How many events have happened; undefined for as many as there are. */
  readonly at: number | undefined;
  /** The moment that is compared with, counted like `at`. */
  readonly since: number | undefined;
  /** Milliseconds after the beginning of the run; undefined for all of it. */
  readonly zoom: readonly [from: number, to: number] | undefined;
  /** Groups that were opened by hand. */
  readonly open: readonly string[];
  /** Groups that were closed by hand. */
  readonly shut: readonly string[];
  /** Groups of which every finished step is shown. */
  readonly whole: readonly string[];
  readonly filter: string;
  /** Statuses of runs, or the least level of log lines; empty for all. */
  readonly status: string;
  /** Runs of so many hours; 0 for all. */
  readonly hours: number;
  /** `auto`: the error of what has failed, the output of everything else. */
  readonly tab: Tab | 'auto';
  /** Path of the structure whose inside the graph shows; empty for the run. */
  readonly scope: string;
  /** Whether finished steps are left out. */
  readonly hidesDone: boolean;
  /** Whether time in which nothing ran is left out of the axis. */
  readonly cutsIdle: boolean;
  /** The only life that is shown; 0 for all. */
  readonly life: number;
  readonly dialog: Dialog | undefined;
}

/** The view that an empty address shows. */
export const firstView: View = {
  screen: 'runs',
  store: '',
  runId: '',
  other: undefined,
  step: undefined,
  at: undefined,
  since: undefined,
  zoom: undefined,
  open: [],
  shut: [],
  whole: [],
  filter: '',
  status: '',
  hours: 0,
  tab: 'auto',
  scope: '',
  hidesDone: false,
  cutsIdle: false,
  life: 0,
  dialog: undefined,
};

/** What somebody does with the page. */
export type Action =
  /** Goes to another screen; the way back leads here. */
  | { readonly type: 'go'; readonly to: Partial<View> & { readonly screen: Screen } }
  /** Changes what the screen shows. */
  | { readonly type: 'show'; readonly change: Partial<Omit<View, 'screen' | 'dialog'>> }
  /** Opens or closes a group of steps. */
  | { readonly type: 'fold'; readonly path: string; readonly isOpen: boolean }
  | { readonly type: 'dialog'; readonly dialog: Dialog | undefined }
  /** The address was changed by hand, or by going back. */
  | { readonly type: 'address'; readonly hash: string };

/** The view after an action. Pure. */
export function viewAfter(view: View, action: Action): View {
  switch (action.type) {
    case 'go':
      return { ...firstView, store: view.store, hours: view.hours, ...action.to };
    case 'show':
      return { ...view, ...action.change };
    case 'fold': {
      const { path, isOpen } = action;
      const others = (paths: readonly string[]): string[] => paths.filter((each) => each !== path);
      return {
        ...view,
        open: isOpen ? [...others(view.open), path] : others(view.open),
        shut: isOpen ? others(view.shut) : [...others(view.shut), path],
      };
    }
    case 'dialog':
      return { ...view, dialog: action.dialog };
    case 'address':
      return viewOf(action.hash);
  }
}

/** What is shown now. Only `act` changes it. */
export const view = signal<View>(firstView);

/** Does something, and keeps the address true. */
export function act(action: Action): void {
  const before = view.peek();
  const after = viewAfter(before, action);
  view.value = after;
  if (action.type === 'address' || action.type === 'dialog') return;
  const hash = addressOf(after);
  if (hash === addressOf(before)) return;
  if (action.type === 'go') history.pushState(undefined, '', hash);
  else history.replaceState(undefined, '', hash);
}

/** Reads the address now and whenever it is changed from outside. */
export function followAddress(): void {
  const read = (): void => {
    act({ type: 'address', hash: location.hash });
  };
  addEventListener('hashchange', read);
  addEventListener('popstate', read);
  read();
}

const screens: ReadonlySet<string> = new Set<Screen>(['compare', 'logs', 'metrics', 'streams', 'definition']);

/** Screens that show no run. */
export const ofStore: ReadonlySet<Screen> = new Set<Screen>(['runs', 'metrics', 'streams']);

/** The address of a view, such as `#/main/01M8?step=pages[60]/ocr&at=300`. */
export function addressOf(shown: View): string {
  const { screen, store, runId } = shown;
  const parts =
    screen === 'runs'
      ? [store]
      : screen === 'run'
        ? [store, runId]
        : ofStore.has(screen)
          ? [store, '', screen]
          : [store, runId, screen];
  while (parts.at(-1) === '') parts.pop();
  const query: string[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const text = field.write(shown);
    if (text !== '') query.push(`${name}=${readable(text)}`);
  }
  const path = parts.map((part) => readable(part).replaceAll('/', '%2F')).join('/');
  return `#/${path}${query.length === 0 ? '' : `?${query.join('&')}`}`;
}

/** The view of an address. What cannot be understood is as if it were not there. */
export function viewOf(hash: string): View {
  const [path = '', query = ''] = hash.replace(/^#?\/?/, '').split(/\?(.*)/s);
  const [store = '', runId = '', last = ''] = path.split('/').map(decoded);
  const screen = screens.has(last) ? (last as Screen) : runId === '' ? 'runs' : 'run';
  const given = new Map(
    query
      .split('&')
      .filter((part) => part !== '')
      .map((part) => {
        const [name = '', text = ''] = part.split(/=(.*)/s);
        return [name, decoded(text)];
      }),
  );
  const read = Object.entries(fields).map(([name, field]) => {
    const text = given.get(name);
    return text === undefined ? {} : field.read(text);
  });
  return Object.assign({}, firstView, { screen, store, runId }, ...read) as View;
}

interface Field {
  readonly write: (view: View) => string;
  readonly read: (text: string) => Partial<View>;
}

const list = (paths: readonly string[]): string =>
  paths.map((path) => path.replaceAll(/[\\,]/g, '\\$&')).join(',');
const listIn = (text: string): string[] =>
  [...text.matchAll(/((?:\\.|[^\\,])+)/gs)].map(([part]) => part.replaceAll(/\\(.)/gs, '$1'));
const count = (text: string): number | undefined => (/^\d+$/.test(text) ? Number(text) : undefined);

const fields: Readonly<Record<string, Field>> = {
  step: { write: ({ step }) => step ?? '', read: (step) => ({ step }) },
  at: { write: ({ at }) => String(at ?? ''), read: (text) => ({ at: count(text) }) },
  since: { write: ({ since }) => String(since ?? ''), read: (text) => ({ since: count(text) }) },
  zoom: {
    write: ({ zoom }) =>
      zoom === undefined ? '' : zoom.map((at) => String(Math.round(at * 10) / 10)).join('-'),
    read(text) {
      const [from = NaN, to = NaN] = text.split('-').map(Number);
      return { zoom: to > from ? [from, to] : undefined };
    },
  },
  open: { write: ({ open }) => list(open), read: (text) => ({ open: listIn(text) }) },
  shut: { write: ({ shut }) => list(shut), read: (text) => ({ shut: listIn(text) }) },
  whole: { write: ({ whole }) => list(whole), read: (text) => ({ whole: listIn(text) }) },
  q: { write: ({ filter }) => filter, read: (filter) => ({ filter }) },
  status: { write: ({ status }) => status, read: (status) => ({ status }) },
  hours: {
    write: ({ hours }) => (hours === 0 ? '' : String(hours)),
    read: (text) => ({ hours: Number(text) || 0 }),
  },
  tab: {
    write: ({ tab }) => (tab === 'auto' ? '' : tab),
    read: (text) => ({ tab: tabs.find((tab) => tab === text) ?? 'auto' }),
  },
  in: { write: ({ scope }) => scope, read: (scope) => ({ scope }) },
  hide: { write: ({ hidesDone }) => (hidesDone ? '1' : ''), read: () => ({ hidesDone: true }) },
  idle: { write: ({ cutsIdle }) => (cutsIdle ? 'cut' : ''), read: () => ({ cutsIdle: true }) },
  life: {
    write: ({ life }) => (life === 0 ? '' : String(life)),
    read: (text) => ({ life: count(text) ?? 0 }),
  },
  with: {
    write: ({ other }) => (other === undefined ? '' : list([other.store, other.runId])),
    read(text) {
      const [store = '', runId = ''] = listIn(text);
      return { other: { store, runId } };
    },
  },
};

/** Encodes only what an address cannot bear, so that `pages[60]/ocr` can be read. */
function readable(text: string): string {
  return encodeURI(text.replaceAll(/\p{Surrogate}/gu, '\ufffd'))
    .replaceAll(/[#&?+]/g, encodeURIComponent)
    .replaceAll('%5B', '[')
    .replaceAll('%5D', ']');
}
