import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Address } from './address.ts';
import type { Client } from './client.ts';

/** What every part of the page may need. */
export interface PageContext {
  readonly client: Client;
  readonly address: Address;
  /** Changes what is shown and the browser's address: a step that Back undoes for another view or sweep, else in place. */
  readonly go: (changes: Partial<Address>) => void;
  /** The address as a link. */
  readonly linkTo: (changes: Partial<Address>) => string;
  /** Counts changes of the theme: canvases draw again. */
  readonly theme: number;
}

export const Page = createContext<PageContext | null>(null);

/** @throws Error outside of the page, which is a mistake of ours */
export function usePage(): PageContext {
  const page = useContext(Page);
  if (!page) throw new Error('not within the page');
  return page;
}
