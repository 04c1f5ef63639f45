import { useLayoutEffect, useState } from 'preact/hooks';

/** A place for an element or whatever belongs to one. */
export interface Ref<Value> {
  current: Value | null;
}

/** Width of an element in CSS pixels, 0 until it is laid out. */
export function useWidth(ref: Ref<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  // Before anything is painted: what depends on the width would move.
  useLayoutEffect(() => {
    const element = ref.current;
    if (!element) return;
    const measure = () => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}
