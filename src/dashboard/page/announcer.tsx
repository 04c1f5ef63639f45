import { useEffect, useRef, useState } from 'preact/hooks';

const LEAST_MS = 10_000;

/** Says what changed to who listens, at most once in ten seconds and never the same twice. */
export function Announcer({ words }: { readonly words: string }) {
  const [said, setSaid] = useState('');
  const lastMs = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    if (words === said) return;
    const waitMs = Math.max(0, lastMs.current + LEAST_MS - performance.now());
    const timer = setTimeout(() => {
      lastMs.current = performance.now();
      setSaid(words);
    }, waitMs);
    return () => clearTimeout(timer);
  }, [words, said]);
  return (
    <p class="unseen" aria-live="polite">
      {said}
    </p>
  );
}
