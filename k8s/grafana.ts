// Writes charts/monitoring/dashboard.json, a dashboard for Grafana: `node k8s/grafana.ts`. Classic JSON (`schemaVersion`, `panels`):
// sidecars and file provisioning refuse the newer form. A test proves that it is up to date, and that what it asks for is there.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type PanelPlan, ROWS } from './grafana-panels.ts';

/** Where Prometheus is, by the variable of that name. */
export const DATASOURCE = { type: 'prometheus', uid: '$datasource' } as const;

const HEIGHT = 7;
const WIDTH = 24;

export type Dashboard = ReturnType<typeof buildDashboard>;

/** The whole dashboard. Pure. */
export function buildDashboard() {
  return {
    uid: 'cnn-sweep',
    title: 'cnn-sweep',
    description: 'Sweeps over convolutional networks: how far they are, what they cost, and whether all parts work.',
    tags: ['cnn-sweep', 'kubernetes', 'machine-learning'],
    schemaVersion: 39,
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    timezone: 'browser',
    links: [
      { title: 'Curves and verdict', type: 'link', url: '$page', targetBlank: true, icon: 'external link', tags: [] },
    ],
    annotations: { list: [annotation('Sweep starts', STARTS), annotation('Sweep ends', ENDS)] },
    templating: { list: [datasource(), ...VARIABLES.map(variable), page()] },
    panels: placePanels(),
  };
}

/** Unfinished trials of each Sweep that is shown. */
const UNFINISHED =
  'sum by (sweep_namespace, sweep) (cnn_sweep_trials{job=~"$job",instance=~"$instance",sweep_namespace=~"$sweep_namespace",sweep=~"$sweep",phase=~"waiting|running"}%)';
const unfinished = (before: string) => `${UNFINISHED.replace('%', before)} > 0`;
const STARTS = `(${unfinished('')}) unless (${unfinished(' offset 1m')})`;
const ENDS = `(${unfinished(' offset 1m')}) unless (${unfinished('')})`;

function annotation(name: string, expr: string) {
  return {
    name,
    datasource: DATASOURCE,
    enable: true,
    hide: false,
    // A colour for it is what the format asks for; no panel has one.
    iconColor: 'text',
    expr,
    step: '60s',
    titleFormat: name,
    textFormat: '{{sweep_namespace}}/{{sweep}}',
    useValueForTime: false,
  };
}

function datasource() {
  const current = { selected: false, text: 'default', value: 'default' };
  return { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', hide: 0, current };
}

/** Name, label, and whose values it takes. */
const VARIABLES = [
  ['job', 'Job', 'label_values(cnn_sweep_build_info, job)'],
  ['instance', 'Instance', 'label_values(cnn_sweep_build_info{job=~"$job"}, instance)'],
  ['sweep_namespace', 'Namespace', 'label_values(cnn_sweep_trials{job=~"$job"}, sweep_namespace)'],
  ['sweep', 'Sweep', 'label_values(cnn_sweep_trials{job=~"$job",sweep_namespace=~"$sweep_namespace"}, sweep)'],
] as const;

function variable([name, label, query]: (typeof VARIABLES)[number]) {
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    query: { query, refId: `${name}-values` },
    definition: query,
    multi: true,
    includeAll: true,
    allValue: '.+',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    // At each change of the time range.
    refresh: 2,
    sort: 1,
    hide: 0,
    regex: '',
  };
}

/** Where people reach our own page; the port-forward of its docs as a default. */
function page() {
  const url = 'http://localhost:8080/';
  return { name: 'page', label: 'Page', type: 'textbox', query: url, current: { text: url, value: url }, hide: 0 };
}

/** Rows one below the other, panels from left to right. */
function placePanels() {
  const placed = [];
  let [y, id] = [0, 1];
  for (const [title, panels] of Object.entries(ROWS)) {
    placed.push({ id: id++, type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: WIDTH, h: 1 } });
    y++;
    let x = 0;
    for (const plan of panels) {
      if (x + plan.width > WIDTH) [x, y] = [0, y + HEIGHT];
      placed.push({ id: id++, gridPos: { x, y, w: plan.width, h: HEIGHT }, ...panel(plan) });
      x += plan.width;
    }
    y += HEIGHT;
  }
  return placed;
}

/** The Sweep of the series that was clicked at (src/dashboard/page/address.ts). */
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana puts the values in.
const SWEEP_PAGE = '${page}?sweep=${__field.labels.sweep_namespace}/${__field.labels.sweep}';

function panel(plan: PanelPlan) {
  const { title, description, kind, unit, queries, linked = false } = plan;
  return {
    type: kind === 'bars' ? 'timeseries' : kind,
    title,
    description,
    datasource: DATASOURCE,
    targets: queries.map(({ expr, legend = '__auto', format, instant = false }, at) => ({
      refId: String.fromCharCode(65 + at),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      format: format ?? 'time_series',
      instant,
      range: !instant,
    })),
    fieldConfig: {
      defaults: {
        unit,
        color: { mode: 'palette-classic' },
        custom: drawing(plan),
        ...(linked && { links: [{ title: 'Curves and verdict', url: SWEEP_PAGE, targetBlank: true }] }),
      },
      overrides: [],
    },
    options: OPTIONS[kind],
  };
}

function drawing({ kind, stacked = false }: PanelPlan) {
  if (kind === 'stat' || kind === 'heatmap') return {};
  const stacking = { mode: stacked ? 'normal' : 'none', group: 'A' };
  const fillOpacity = stacked ? 40 : 10;
  return kind === 'bars'
    ? { drawStyle: 'bars', fillOpacity: 100, stacking: { mode: 'normal', group: 'A' } }
    : { drawStyle: 'line', lineWidth: 1, fillOpacity, showPoints: 'never', spanNulls: false, stacking };
}

const LEGEND = { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] };
const SERIES = { legend: LEGEND, tooltip: { mode: 'multi', sort: 'desc' } };

const OPTIONS = {
  timeseries: SERIES,
  bars: SERIES,
  stat: {
    colorMode: 'none',
    graphMode: 'none',
    justifyMode: 'auto',
    orientation: 'auto',
    textMode: 'value_and_name',
    reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  },
  heatmap: { calculate: false, cellGap: 1, yAxis: { unit: 's' }, legend: { show: true }, tooltip: { mode: 'single' } },
} as const;

export const DASHBOARD = fileURLToPath(new URL('../charts/monitoring/dashboard.json', import.meta.url));

export function buildDashboardFile(): string {
  return `${JSON.stringify(buildDashboard(), undefined, 1)}\n`;
}

if (import.meta.main) await writeFile(DASHBOARD, buildDashboardFile());
