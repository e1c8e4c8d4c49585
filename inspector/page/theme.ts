import { effect, signal } from '@preact/signals-core';

/** Light, dark, or what the system says. */
export type Theme = 'system' | 'light' | 'dark';

/** What was chosen. */
export const theme = signal<Theme>('system');
/** Changes when other colours apply: canvases are drawn anew. */
export const themeNow = signal(0);

const colors = new Map<string, string>();

/** A colour of the style sheet, for a canvas. */
export function colorOf(name: string): string {
  const known = colors.get(name);
  if (known !== undefined) return known;
  // The property itself holds both colours: what counts is what a place that uses it gets.
  const probe = document.body;
  probe.style.setProperty('outline-color', `var(--${name})`);
  const color = getComputedStyle(probe).outlineColor;
  probe.style.removeProperty('outline-color');
  colors.set(name, color);
  return color;
}

/** Applies what is chosen, and keeps it for the next visit. */
export function followTheme(): void {
  theme.value = (kept('theme') as Theme | undefined) ?? 'system';
  effect(() => {
    document.documentElement.dataset['theme'] = theme.value;
    colors.clear();
    themeNow.value = themeNow.peek() + 1;
    keep('theme', theme.value);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    colors.clear();
    themeNow.value += 1;
  });
}

/** What was kept under a name; undefined where nothing was, or where a page may keep nothing. */
export function kept(name: string): string | undefined {
  try {
    return localStorage.getItem(`millrace.${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Keeps a text for the next visit, where a page may. */
export function keep(name: string, text: string): void {
  try {
    localStorage.setItem(`millrace.${name}`, text);
  } catch {
    // A page in a file, or a browser that keeps nothing: the choice holds as long as the page.
  }
}
