import type { ComponentChildren } from 'preact';

interface StepByArrowProps {
  /** What the arrows step through. */
  readonly label: string;
  /** To the trial before or behind. */
  readonly onStep?: ((by: number) => void) | undefined;
  /** Other keys first. @returns whether it was one of its own */
  readonly onKey?: (event: KeyboardEvent) => boolean;
  readonly children: ComponentChildren;
}

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** A chart that a keyboard reaches: its arrow keys choose the trial. */
export function StepByArrow({ label, onStep, onKey, children }: StepByArrowProps) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms
    <div
      class="focusable"
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys choose the trial
      tabIndex={0}
      aria-label={onStep ? `${label}; the arrow keys choose the trial` : label}
      onKeyDown={(event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const by = STEPS[event.key];
        const isTaken = onKey?.(event) ?? false;
        if (!isTaken && (by === undefined || !onStep)) return;
        event.preventDefault();
        if (!isTaken && by !== undefined) onStep?.(by);
      }}
    >
      {children}
    </div>
  );
}
