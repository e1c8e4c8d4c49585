import type { JSX } from 'preact';

import { CompareScreen } from './compareScreen';
import { link } from './connection';
import { OpenDialog } from './dialogs';
import { inUtc } from './format';
import { act, view } from './machine';
import { DefinitionScreen, LogsScreen, MetricsScreen, StreamsScreen } from './otherScreens';
import { RunScreen } from './runScreen';
import { RunsScreen } from './runsScreen';
import { connection, notice, say, storeName, stores } from './pageState';
import { chooseLanguage, language, languages, t } from './texts';
import type { Theme } from './theme';
import { keep, theme } from './theme';

/** The whole page. */
export function App(): JSX.Element {
  return (
    <>
      <TopBar />
      <Screen />
      <OpenDialog />
      {notice.value === undefined ? null : (
        <p class={`notice ${notice.value.isBad ? 'bad' : 'good'}`} role="status">
          {notice.value.isBad ? '⚠' : '✔'} {notice.value.text}
        </p>
      )}
    </>
  );
}

function Screen(): JSX.Element {
  switch (view.value.screen) {
    case 'runs':
      return <RunsScreen />;
    case 'run':
      return <RunScreen />;
    case 'compare':
      return <CompareScreen />;
    case 'logs':
      return <LogsScreen />;
    case 'metrics':
      return <MetricsScreen />;
    case 'streams':
      return <StreamsScreen />;
    case 'definition':
      return <DefinitionScreen />;
  }
}

function TopBar(): JSX.Element {
  const all = stores.value?.stores ?? [];
  return (
    <header class="bar">
      <a class="brand" href="#/" aria-label="Millrace">
        <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
          <path d="M1 4c3 0 3 2.5 6 2.5S10 4 15 4M1 9c3 0 3 2.5 6 2.5S10 9 15 9" />
        </svg>
        millrace
      </a>
      {all.length < 2 ? (
        <span class="muted">{storeName()}</span>
      ) : (
        <select
          aria-label={t('store')}
          value={storeName()}
          onChange={({ currentTarget }) => {
            act({ type: 'go', to: { screen: 'runs', store: currentTarget.value } });
          }}
        >
          {all.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
      <Places />
      <span class="gap" />
      <LinkState />
      {stores.value?.access === 'read' ? <span class="tag">{t('readOnly')}</span> : null}
      <button aria-pressed={inUtc.value} onClick={() => (inUtc.value = !inUtc.value)}>
        UTC
      </button>
      <Choices />
      <button
        aria-label={t('keys')}
        title={t('keys')}
        onClick={() => act({ type: 'dialog', dialog: { kind: 'keys' } })}
      >
        ?
      </button>
    </header>
  );
}

function Places(): JSX.Element {
  const { screen } = view.value;
  return (
    <nav>
      <a
        href={`#/${encodeURIComponent(view.value.store)}`}
        aria-current={screen === 'runs' ? 'page' : undefined}
      >
        {t('runs')}
      </a>
      {link.value === 'file'
        ? null
        : (['metrics', 'streams', 'definition'] as const).map((each) => (
            <a
              key={each}
              href={`#/${encodeURIComponent(storeName())}//${each}`}
              aria-current={screen === each ? 'page' : undefined}
            >
              {t(each)}
            </a>
          ))}
    </nav>
  );
}

/** How the page is shown. */
function Choices(): JSX.Element {
  return (
    <>
      <select
        aria-label="Language / 언어"
        value={language.value}
        onChange={({ currentTarget }) => {
          keep('language', currentTarget.value);
          void chooseLanguage(currentTarget.value, connection().texts).catch((error: unknown) => {
            say((error as Error).message, true);
          });
        }}
      >
        {Object.entries(languages).map(([code, name]) => (
          <option key={code} value={code}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label={t('theme')}
        value={theme.value}
        onChange={({ currentTarget }) => {
          theme.value = currentTarget.value as Theme;
        }}
      >
        {(['system', 'light', 'dark'] as const).map((each) => (
          <option key={each} value={each}>
            {t(each)}
          </option>
        ))}
      </select>
    </>
  );
}

function LinkState(): JSX.Element | null {
  switch (link.value) {
    case 'live':
      return null;
    case 'file':
      return <span class="tag">{t('savedPage')}</span>;
    case 'lost':
      return (
        <span class="tag lost" role="status">
          ◌ {t('reconnecting')}
        </span>
      );
    case 'refused':
      return (
        <span class="tag bad" role="alert">
          {t('noToken')}
        </span>
      );
  }
}
