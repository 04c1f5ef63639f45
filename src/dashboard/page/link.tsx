import type { ComponentChildren } from 'preact';
import type { Address } from './address.ts';
import { usePage } from './context.ts';

interface LinkProps {
  readonly to: Partial<Address>;
  readonly class?: string;
  readonly current?: boolean;
  readonly label?: string;
  readonly children: ComponentChildren;
}

/** A link within the page; with a modifier the browser opens it as it likes. */
export function Link({ to, class: name, current, label, children }: LinkProps) {
  const { go, linkTo } = usePage();
  return (
    <a
      href={linkTo(to)}
      class={name}
      aria-label={label}
      aria-current={current ? 'page' : undefined}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
        event.preventDefault();
        event.stopPropagation();
        go(to);
      }}
    >
      {children}
    </a>
  );
}
