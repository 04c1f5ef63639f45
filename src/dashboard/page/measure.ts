import { useEffect, useState } from 'preact/hooks';

/** A place for an element or whatever belongs to one. */
export interface Ref<Value> {
  current: Value | null;
}

/** Width of an element in CSS pixels, 0 until it is laid out. */
export function useWidth(ref: Ref<HTMLElement>): number {
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}
