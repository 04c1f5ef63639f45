import { makeImage } from '../charts/image.ts';
import type { Chart, Plot as PlotModule } from '../charts/marks.ts';
import type { TableSpecification } from '../charts/tables.ts';
import { element } from './dom.ts';

declare const Plot: PlotModule;

export interface Figure {
  /** @param width in CSS pixels; absent: as wide as its place */
  draw(width?: number): void;
}

export interface FigureOptions {
  /** What the chart depends on beside its width: while it stays the same nothing is drawn again. */
  readonly shows: () => readonly unknown[];
  readonly draw: (width: number) => Chart;
  readonly table: () => TableSpecification;
  readonly picked: (trial: number) => void;
}

/** One chart with its sentence and its table; the table is made when it is opened. */
export function openFigure(selector: string, { shows, draw, table, picked }: FigureOptions): Figure {
  const chart = element(`${selector} .chart`);
  const caption = element(`${selector} figcaption`);
  const details = element<HTMLDetailsElement>(`${selector} details`);
  const tableRoom = element(`${selector} details .scroll`);
  let drawn = '';
  const fillTable = () => {
    if (details.open) tableRoom.replaceChildren(buildTable(table()));
  };
  details.addEventListener('toggle', fillTable);

  return {
    draw(width = chart.clientWidth) {
      const wanted = JSON.stringify([width, ...shows()]);
      if (width === 0 || wanted === drawn) return;
      drawn = wanted;
      const { options, sentence } = draw(width);
      const svg = Plot.plot(options);
      makeImage(svg, sentence);
      svg.addEventListener('click', () => {
        const trial = trialOf(svg.value);
        if (trial !== undefined) picked(trial);
      });
      chart.replaceChildren(svg);
      caption.textContent = sentence;
      fillTable();
    },
  };
}

/** What the pointer is nearest to, in any of the charts: a trial, a point of its curve, a cell with its best trial. */
function trialOf(datum: unknown): number | undefined {
  if (typeof datum !== 'object' || datum === null) return undefined;
  if ('trial' in datum && typeof datum.trial === 'number') return datum.trial;
  if ('view' in datum) return trialOf(datum.view);
  return 'best' in datum ? trialOf(datum.best) : undefined;
}

function buildTable({ columns, rows }: TableSpecification): HTMLTableElement {
  const table = document.createElement('table');
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = document.createElement('th');
    cell.scope = 'col';
    cell.textContent = column;
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const text of row) line.insertCell().textContent = text;
  }
  return table;
}
