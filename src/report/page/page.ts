// The browser's part of the report: draws the charts and follows the reader. The only file here with effects at the top level.

import { curvesChart, NARROW, type Quantity } from '../charts/curves.ts';
import { heatMapChart, heatMapKey, type KeyItem } from '../charts/heatmap.ts';
import { colourOf, highlightOf, type Plot as PlotModule, STRONG } from '../charts/marks.ts';
import { parametersChart } from '../charts/parameters.ts';
import { curvesTable, heatMapTable, parametersTable } from '../charts/tables.ts';
import type { ReportData, TrialView } from '../data.ts';
import { all, element } from './dom.ts';
import { openFigure } from './figure.ts';
import { decodeState, encodeState, initialState, type PageState } from './state.ts';
import { openTrialsTable } from './trials.ts';

declare const Plot: PlotModule;

const data: ReportData = JSON.parse(element('#data').textContent ?? '');
const first = initialState(data);
/** In CSS pixels, of A4 and of Letter within their margins. */
const PRINT_WIDTH = 690;
let printing = false;
let state = decodeState(location.hash, data, first);

/** A sentence stands in the place of a chart that would be empty. */
const figures = [
  ...[...all('#curves-chart')].map(() =>
    openFigure('#curves-chart', {
      shows: () => [state.selected, state.quantity],
      draw: (width) => curvesChart(Plot, data, { ...state, width }),
      table: () => curvesTable(data, state.quantity),
      picked: select,
    }),
  ),
  ...[...all('#size-chart')].map(() =>
    openFigure('#size-chart', {
      shows: () => [state.selected],
      draw: (width) => parametersChart(Plot, data, { ...state, width }),
      table: () => parametersTable(data),
      picked: select,
    }),
  ),
  ...[...all('#heat-chart')].map(() =>
    openFigure('#heat-chart', {
      shows: () => [state.selected, state.across, state.down, [...state.fixed]],
      draw: (width) => heatMapChart(Plot, data, { ...state, width }),
      table: () => heatMapTable(data, state),
      picked: select,
    }),
  ),
];
const table = openTrialsTable(data, { picked: select, sorted: (sort, descending) => change({ sort, descending }) });

function change(changes: Partial<PageState>): void {
  state = { ...state, ...changes };
  const hash = encodeState(state, first);
  history.replaceState(null, '', hash === '' ? location.pathname + location.search : `#${hash}`);
  show();
}

function select(trial: number): void {
  if (trial !== state.selected) change({ selected: trial });
}

/** The next trial in the order of the table's first view: the best first. */
function step(by: number): void {
  const order = data.trials.toSorted((a, b) => a.rank - b.rank);
  const at = order.findIndex(({ trial }) => trial === state.selected);
  const next = order[Math.min(order.length - 1, Math.max(0, at + by))];
  if (next) select(next.trial);
}

function show(): void {
  for (const figure of figures) figure.draw(printing ? PRINT_WIDTH : undefined);
  table.show(state);
  showControls();
  showLegend();
  showHeatMapKey();
}

function showControls(): void {
  element<HTMLSelectElement>('#trial').value = String(state.selected ?? '');
  for (const radio of all<HTMLInputElement>('input[name=quantity]')) radio.checked = radio.value === state.quantity;
  for (const across of all<HTMLSelectElement>('#across')) across.value = String(state.across);
  for (const down of all<HTMLSelectElement>('#down')) down.value = String(state.down);
  for (const label of all('[data-fixed]')) {
    const axis = Number(label.dataset.fixed);
    label.hidden = axis === state.across || axis === state.down;
    for (const choice of label.querySelectorAll('select')) choice.value = String(state.fixed.get(axis) ?? '');
  }
}

/** On a narrow screen names do not fit at the ends of the curves. */
function showLegend(): void {
  const [legend] = all('#curves-chart .legend');
  if (!legend) return;
  legend.replaceChildren();
  if (element('#curves-chart .chart').clientWidth >= NARROW) return;
  const shown = data.trials.filter((view) => view.curve && (view.rank < STRONG || view.trial === state.selected));
  for (const view of shown.toSorted((a, b) => a.rank - b.rank)) legend.append(legendItem(view));
}

function showHeatMapKey(): void {
  for (const legend of all('#heat-chart .legend')) {
    const items = heatMapKey(data, state);
    legend.replaceChildren(...(items.length > 0 ? ['Validation loss', ...items.map(keyItem)] : []));
  }
}

function keyItem({ colour, text }: KeyItem): HTMLElement {
  const item = document.createElement('span');
  const swatch = document.createElement('span');
  swatch.className = 'swatch';
  swatch.style.background = colour;
  item.append(swatch, text);
  return item;
}

function legendItem(view: TrialView): HTMLElement {
  const item = document.createElement('span');
  const line = document.createElement('span');
  line.className = 'line';
  line.style.borderColor = view.trial === state.selected ? highlightOf(view) : colourOf(view);
  item.append(line, view.name);
  if (view.trial === state.selected) item.className = 'chosen';
  return item;
}

function listen(): void {
  element('#previous').addEventListener('click', () => step(-1));
  element('#next').addEventListener('click', () => step(1));
  element<HTMLSelectElement>('#trial').addEventListener('change', ({ currentTarget }) => {
    if (currentTarget instanceof HTMLSelectElement) select(Number(currentTarget.value));
  });
  for (const chart of all('.chart')) chart.addEventListener('keydown', stepByArrow);
  for (const radio of all<HTMLInputElement>('input[name=quantity]')) {
    radio.addEventListener('change', () => change({ quantity: quantityOf(radio.value) }));
  }
  listenToAxes();
  addEventListener('hashchange', () => {
    // A link to a place in the page, not to a view of it.
    if (location.hash !== '' && !location.hash.includes('=')) return;
    state = decodeState(location.hash, data, first);
    show();
  });
}

function stepByArrow(event: KeyboardEvent): void {
  const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (by === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  step(by);
}

const quantityOf = (value: string): Quantity => (value === 'accuracy' ? 'accuracy' : 'loss');

/** An axis chosen twice changes places with the other. */
function listenToAxes(): void {
  for (const across of all<HTMLSelectElement>('#across')) {
    across.addEventListener('change', () => {
      const chosen = Number(across.value);
      change({ across: chosen, down: chosen === state.down ? state.across : state.down, fixed: without(chosen) });
    });
  }
  for (const down of all<HTMLSelectElement>('#down')) {
    down.addEventListener('change', () => {
      const chosen = Number(down.value);
      change({
        down: chosen,
        across: chosen === state.across ? (state.down ?? 0) : state.across,
        fixed: without(chosen),
      });
    });
  }
  for (const label of all('[data-fixed]')) {
    label.addEventListener('change', ({ target }) => {
      const axis = Number(label.dataset.fixed);
      const fixed = without(axis);
      if (target instanceof HTMLSelectElement && target.value !== '') fixed.set(axis, Number(target.value));
      change({ fixed });
    });
  }
}

function without(axis: number): Map<number, number> {
  return new Map([...state.fixed].filter(([other]) => other !== axis));
}

function listenToTheme(): void {
  const choice = element<HTMLSelectElement>('#theme');
  const apply = () => {
    if (choice.value === '') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice.value;
  };
  choice.value = remembered() ?? '';
  apply();
  choice.addEventListener('change', () => {
    apply();
    remember(choice.value);
  });
}

const THEME = 'cnn-sweep-theme';

/** A browser may refuse a page from the disk its storage: then the theme is chosen anew each time. */
function remembered(): string | null {
  try {
    return localStorage.getItem(THEME);
  } catch {
    return null;
  }
}

function remember(theme: string): void {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    // Refused, as above.
  }
}

listenToTheme();
listen();
show();
for (const [event, begins] of [
  ['beforeprint', true],
  ['afterprint', false],
] as const) {
  addEventListener(event, () => {
    printing = begins;
    show();
  });
}
let width = 0;
new ResizeObserver(() => {
  if (document.body.clientWidth === width) return;
  width = document.body.clientWidth;
  show();
}).observe(document.body);
