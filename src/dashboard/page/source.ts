import { useEffect, useRef, useState } from 'preact/hooks';

/** A value that changes, and who wants to know. */
export interface Source<Value> {
  get(): Value;
  /** @returns stops listening */
  subscribe(listener: () => void): () => void;
}

export interface Variable<Value> extends Source<Value> {
  set(value: Value): void;
}

export function openVariable<Value>(first: Value): Variable<Value> {
  let value = first;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The value now; the component is drawn again when it changes. */
export function useSource<Value>(source: Source<Value>): Value {
  const [, redraw] = useState({});
  const value = source.get();
  const drawn = useRef(value);
  drawn.current = value;
  useEffect(() => {
    const changed = () => {
      if (!Object.is(source.get(), drawn.current)) redraw({});
    };
    const stop = source.subscribe(changed);
    changed(); // between the drawing and now
    return stop;
  }, [source]);
  return value;
}
