import { resolveColour } from './colour.ts';

export interface LegendItem {
  readonly colour: string;
  readonly text: string;
  readonly isDashed?: boolean;
}

export interface PictureText {
  readonly title: string;
  readonly sentence: string;
  readonly legend: readonly LegendItem[];
}

/** In pixels of the picture, two for one of CSS: it should look well in a talk. */
const SCALE = 2;
const MARGIN = 24;
const LINE = 19;

/** A chart as PNG with its title, its legend and the sentence that says what it shows.
 * @param chart a canvas as it is drawn, or an SVG in the page
 */
export async function buildPicture(chart: HTMLCanvasElement | SVGSVGElement, text: PictureText): Promise<Blob> {
  const { width, height } = chart.getBoundingClientRect();
  const image = chart instanceof HTMLCanvasElement ? chart : await imageOf(chart);
  const canvas = document.createElement('canvas');
  const ctx = canvas.getContext('2d');
  if (!ctx) throw new Error('this browser gives no canvas');
  const family = getComputedStyle(document.body).fontFamily;
  const full = width + 2 * MARGIN;
  ctx.font = `13px ${family}`;
  const sentence = wrap(ctx, text.sentence, width);
  const legend = legendRows(ctx, text.legend, width);
  const total = MARGIN + 34 + height + 12 + (legend.length + sentence.length) * LINE + MARGIN;
  canvas.width = full * SCALE;
  canvas.height = total * SCALE;
  ctx.scale(SCALE, SCALE);
  ctx.fillStyle = resolveColour('var(--panel)');
  ctx.fillRect(0, 0, full, total);
  ctx.fillStyle = resolveColour('var(--ink)');
  ctx.font = `700 18px ${family}`;
  ctx.textBaseline = 'top';
  ctx.fillText(text.title, MARGIN, MARGIN, width);
  ctx.drawImage(image, MARGIN, MARGIN + 34, width, height);
  ctx.font = `13px ${family}`;
  let y = MARGIN + 34 + height + 12;
  for (const row of legend) {
    drawLegend(ctx, row, y);
    y += LINE;
  }
  ctx.fillStyle = resolveColour('var(--soft)');
  for (const line of sentence) {
    ctx.fillText(line, MARGIN, y);
    y += LINE;
  }
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('the picture could not be encoded'))),
      'image/png',
    );
  });
}

function wrap(ctx: CanvasRenderingContext2D, text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (ctx.measureText(longer).width <= width || line === '') line = longer;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === '' ? lines : [...lines, line];
}

const itemWidth = (ctx: CanvasRenderingContext2D, { text }: LegendItem) => 44 + ctx.measureText(text).width;

function legendRows(ctx: CanvasRenderingContext2D, items: readonly LegendItem[], width: number): LegendItem[][] {
  const rows: LegendItem[][] = [];
  let used = width;
  for (const item of items) {
    const wide = itemWidth(ctx, item);
    const row = rows.at(-1);
    if (!row || used + wide > width) {
      rows.push([item]);
      used = wide;
    } else {
      row.push(item);
      used += wide;
    }
  }
  return rows;
}

function drawLegend(ctx: CanvasRenderingContext2D, row: readonly LegendItem[], y: number): void {
  let x = MARGIN;
  for (const item of row) {
    ctx.strokeStyle = resolveColour(item.colour);
    ctx.lineWidth = 3;
    ctx.setLineDash(item.isDashed ? [5, 3] : []);
    ctx.beginPath();
    ctx.moveTo(x, y + 7);
    ctx.lineTo(x + 20, y + 7);
    ctx.stroke();
    ctx.fillStyle = resolveColour('var(--ink)');
    ctx.fillText(item.text, x + 26, y);
    x += itemWidth(ctx, item);
  }
  ctx.setLineDash([]);
}

const COLOUR_ATTRIBUTES = ['fill', 'stroke', 'color', 'stop-color'];

/** An SVG away from its page has no variables and no fonts of ours: both are written into a copy. */
async function imageOf(svg: SVGSVGElement): Promise<HTMLImageElement> {
  const { width, height } = svg.getBoundingClientRect();
  const copy = svg.cloneNode(true) as SVGSVGElement;
  copy.setAttribute('width', String(width * SCALE));
  copy.setAttribute('height', String(height * SCALE));
  copy.setAttribute('viewBox', `0 0 ${width} ${height}`);
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  // Its own style says `inherit`, and there is nobody to inherit from.
  copy.style.fontFamily = getComputedStyle(svg).fontFamily;
  copy.setAttribute('color', getComputedStyle(svg).color);
  for (const element of [copy, ...copy.querySelectorAll('*')]) {
    for (const name of COLOUR_ATTRIBUTES) {
      const value = element.getAttribute(name);
      if (value !== null && /var\(|light-dark\(|color-mix\(/.test(value))
        element.setAttribute(name, resolveColour(value));
    }
  }
  // What the pointer showed is no part of the picture.
  for (const tip of copy.querySelectorAll('[data-mark=tip]')) tip.remove();
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: 'image/svg+xml' }));
  const image = new Image();
  try {
    await new Promise((resolve, reject) => {
      image.onload = resolve;
      image.onerror = () => reject(new Error('the chart could not be made a picture'));
      image.src = url;
    });
  } finally {
    URL.revokeObjectURL(url);
  }
  return image;
}
