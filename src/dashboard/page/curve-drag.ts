import type { Range } from './address.ts';
import type { Box } from './zoom.ts';

/** In CSS pixels: less along a side is the hand's own tremor. */
const LEAST = 20;
/** Less than this is a click. */
const CLICK = 5;

interface Point {
  readonly left: number;
  readonly top: number;
}

export interface DragEvents {
  begun(): void;
  drawn(box: Box): void;
}

/** Lets a mouse or a pen draw a box over the frame; the click that a browser sends behind it goes no further. A finger scrolls the page. */
export function listenToDrags(frame: HTMLElement, events: DragEvents): void {
  let from: Point | undefined;
  let shown: HTMLElement | undefined;
  let wasDrag: boolean = false;

  const end = () => {
    shown?.remove();
    [from, shown] = [undefined, undefined];
    removeEventListener('keydown', pressed);
  };
  function pressed({ key }: KeyboardEvent): void {
    if (key === 'Escape') end();
  }
  frame.addEventListener('pointerdown', (event) => {
    wasDrag = false;
    if (event.button !== 0 || event.pointerType === 'touch') return;
    from = placeOf(frame, event);
  });
  frame.addEventListener('pointermove', (event) => {
    if (!from) return;
    // Released outside, before there was anything to hold the pointer for.
    if ((event.buttons & 1) === 0) return end();
    const to = placeOf(frame, event);
    if (!shown) {
      if (Math.hypot(to.left - from.left, to.top - from.top) < CLICK) return;
      wasDrag = true;
      frame.setPointerCapture(event.pointerId);
      shown = frame.appendChild(document.createElement('div'));
      shown.className = 'zoom-box';
      addEventListener('keydown', pressed);
      events.begun();
    }
    draw(shown, boxOf(frame, from, to));
    event.stopImmediatePropagation();
  });
  frame.addEventListener('pointerup', (event) => {
    const box = from && shown ? boxOf(frame, from, placeOf(frame, event)) : undefined;
    end();
    if (box && (box.x || box.y)) events.drawn(box);
  });
  frame.addEventListener('pointercancel', end);
  frame.addEventListener('click', (event) => {
    if (wasDrag) event.stopImmediatePropagation();
  });
}

function placeOf(frame: HTMLElement, { clientX, clientY }: PointerEvent): Point {
  const { left, top, width, height } = frame.getBoundingClientRect();
  const within = (value: number, most: number) => Math.min(most, Math.max(0, value));
  return { left: within(clientX - left, width), top: within(clientY - top, height) };
}

function boxOf(frame: HTMLElement, from: Point, to: Point): Box {
  const { width, height } = frame.getBoundingClientRect();
  const side = (a: number, b: number, whole: number): Range | null =>
    Math.abs(b - a) < LEAST ? null : [Math.min(a, b) / whole, Math.max(a, b) / whole];
  return { x: side(from.left, to.left, width), y: side(height - from.top, height - to.top, height) };
}

function draw({ style }: HTMLElement, { x, y }: Box): void {
  const [left, right] = x ?? [0, 1];
  const [foot, head] = y ?? [0, 1];
  const percent = (share: number) => `${100 * share}%`;
  Object.assign(style, {
    left: percent(left),
    width: percent(right - left),
    bottom: percent(foot),
    height: percent(head - foot),
    visibility: x || y ? 'visible' : 'hidden',
  });
}
