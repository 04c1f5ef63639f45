import { useEffect, useState } from 'preact/hooks';
import { forgetColours } from './colour.ts';

const KEY = 'cnn-sweep-theme';
const CHOICES = ['', 'light', 'dark'] as const;

export interface Theme {
  /** Empty: as the system has it. */
  readonly choice: string;
  choose(choice: string): void;
  /** Counts changes: canvases draw again. */
  readonly version: number;
}

export function useTheme(): Theme {
  // Before anything is drawn: who chose dark is never shown a light page first.
  const [choice, setChoice] = useState(() => apply(remembered()));
  const [version, setVersion] = useState(0);
  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const changed = () => {
      forgetColours();
      setVersion((count) => count + 1);
    };
    dark.addEventListener('change', changed);
    return () => dark.removeEventListener('change', changed);
  }, []);
  return {
    choice,
    version,
    choose(next) {
      remember(next);
      setChoice(apply(next));
      setVersion((count) => count + 1);
    },
  };
}

function apply(choice: string): string {
  if (choice === '') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  forgetColours();
  return choice;
}

export function ThemeSwitch({ theme }: { readonly theme: Theme }) {
  return (
    <label>
      Theme{' '}
      <select value={theme.choice} onChange={({ currentTarget }) => theme.choose(currentTarget.value)}>
        {CHOICES.map((choice) => (
          <option key={choice} value={choice}>
            {choice || 'system'}
          </option>
        ))}
      </select>
    </label>
  );
}

/** A browser may refuse its storage: then the theme is chosen anew each time. */
function remembered(): string {
  try {
    const found = localStorage.getItem(KEY);
    return CHOICES.find((choice) => choice === found) ?? '';
  } catch {
    return '';
  }
}

function remember(choice: string): void {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // Refused, as above.
  }
}
