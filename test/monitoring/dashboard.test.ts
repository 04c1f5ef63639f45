// The rules of Grafana's dashboard linter, and what can be known of the dashboard without a Grafana.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { buildRuleGroups } from '../../k8s/alerts.ts';
import { buildDashboard, buildDashboardFile, DASHBOARD } from '../../k8s/grafana.ts';
import { FOREIGN, readKnownMetrics, SCRAPED } from './known-metrics.ts';
import { fillIn, parsePromql } from './promql.ts';

const dashboard = buildDashboard();

interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly datasource: object;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly description?: string;
  readonly datasource?: object;
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}

const all: readonly Panel[] = dashboard.panels;
const panels = all.filter(({ type }) => type !== 'row');
const targets = panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ refId, expr, datasource }) => ({ name: `${title} ${refId}`, expr, datasource })),
);
const expressions = [...targets, ...dashboard.annotations.list.map(({ name, expr }) => ({ name, expr }))];
const SOURCE = { type: 'prometheus', uid: '$datasource' };

/** A variable by name, as plain data. */
function variableOf(name: string): Readonly<Record<string, unknown>> {
  const found = dashboard.templating.list.find((each) => each.name === name);
  assert.ok(found, `no variable ${name}`);
  return { ...found };
}

const queried = dashboard.templating.list.flatMap((each) => ('definition' in each ? [each] : []));

/** Selectors of our own series in each expression. */
function* ownSelectors() {
  for (const { name, expr } of targets) {
    for (const selector of parsePromql(fillIn(expr)).selectors) {
      if (!FOREIGN.has(selector.metric)) yield { name, selector };
    }
  }
}

test('template-datasource: the variable is `datasource`, and is labelled Data source', () => {
  const { type, query, label } = variableOf('datasource');
  assert.deepEqual({ type, query, label }, { type: 'datasource', query: 'prometheus', label: 'Data source' });
});

for (const [name, label] of [
  ['job', 'Job'],
  ['instance', 'Instance'],
] as const) {
  test(`template-${name}: of many values, all of them .+, from the right data source`, () => {
    const found = variableOf(name);
    const { type, multi, allValue, datasource } = found;
    assert.deepEqual(
      { type, multi, allValue, datasource, label: found.label },
      { type: 'query', multi: true, allValue: '.+', datasource: SOURCE, label },
    );
  });
}

test('template-label-promql: the queries of variables parse, and ask for labels that are there', () => {
  const known = readKnownMetrics();
  for (const { name, definition } of queried) {
    const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(definition) ?? [];
    const [only] = parsePromql(fillIn(selector)).selectors;
    assert.ok(only, name);
    assert.ok([...(known.get(only.metric) ?? []), ...SCRAPED].includes(label), `${name}: ${label}`);
  }
});

test('template-on-time-change-reload: variables are read anew when the time range changes', () => {
  assert.ok(queried.length >= 4);
  for (const { name, refresh } of queried) assert.equal(refresh, 2, name);
});

test('panel-datasource: panels and their queries take the variable', () => {
  for (const { title, datasource } of panels) assert.deepEqual(datasource, SOURCE, title);
  for (const { name, datasource } of targets) assert.deepEqual(datasource, SOURCE, name);
});

test('panel-title-description: each panel says what it shows', () => {
  for (const { title, description = '' } of panels) assert.ok(title !== '' && description.length > 10, title);
  assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length, 'a title stands twice');
});

test('panel-units: each panel has a unit that Grafana knows', () => {
  const known = ['short', 's', 'bytes', 'ops', 'reqps', 'percentunit', 'none'];
  for (const { title, fieldConfig } of panels) assert.ok(known.includes(fieldConfig?.defaults.unit ?? ''), title);
});

test('panel-no-targets: no panel is empty', () => {
  for (const { title, targets = [] } of panels) assert.ok(targets.length > 0, title);
});

test('target-promql: every expression parses, those of annotations too', () => {
  for (const { expr } of expressions) parsePromql(fillIn(expr));
});

test('target-rate-interval: every rate and increase is over $__rate_interval', () => {
  let count = 0;
  for (const { name, expr } of expressions) {
    for (const { within, range } of parsePromql(fillIn(expr, { $__rate_interval: '77s' })).selectors) {
      if (!['rate', 'irate', 'increase'].includes(within[0] ?? '')) continue;
      count++;
      assert.equal(range, '77s', name);
    }
  }
  assert.ok(count > 20, `${count} of them`);
});

for (const name of ['job', 'instance'] as const) {
  test(`target-${name}: every selector of ours takes the variable ${name}`, () => {
    for (const { name: where, selector } of ownSelectors()) {
      assert.ok(selector.matchers.includes(`${name}=~".+"`), `${where}: ${selector.metric}`);
    }
    for (const { name: where, expr } of expressions) {
      assert.equal(expr.includes(`${name}=~".+"`), false, `${where}: a value instead of the variable`);
    }
  });
}

test('target-counter-agg: a counter is seen by its rate or increase only', () => {
  for (const { name, selector } of ownSelectors()) {
    if (!/_(total|bucket|sum|count)$/.test(selector.metric)) continue;
    assert.ok(['rate', 'increase'].includes(selector.within[0] ?? ''), `${name}: ${selector.metric}`);
  }
});

test('target-logql, target-logql-auto: nothing is asked of Loki', () => {
  assert.ok(!JSON.stringify(dashboard).includes('loki'));
});

test('uneditable-dashboard: it is changed in its source', () => {
  assert.equal(dashboard.editable, false);
});

test('the dashboard in the chart is that of the generator, in the classic form and small', async () => {
  const text = await readFile(DASHBOARD, 'utf8');
  assert.equal(text, buildDashboardFile());
  assert.ok(text.length <= 256 * 1024, `${text.length} bytes`);
  const { schemaVersion, panels, uid } = JSON.parse(text) as Record<string, unknown>;
  assert.ok(schemaVersion === 39 && Array.isArray(panels) && uid === 'cnn-sweep');
});

test('panels stand side by side in the grid: none overlaps another, none sticks out, each has a number of its own', () => {
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of all) {
    const { x, y, w, h } = gridPos;
    assert.ok(x >= 0 && w > 0 && h > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const there = taken.get(`${column}/${line}`);
        assert.equal(there, undefined, `${title} lies on ${there}`);
        taken.set(`${column}/${line}`, title);
      }
    }
  }
});

test('the rows and what they must show are there', () => {
  assert.deepEqual(
    all.filter(({ type }) => type === 'row').map(({ title }) => title),
    ['Sweep', 'Cluster', 'Pipeline', 'Controller', 'Web'],
  );
});

test('no panel has a colour of its own', () => {
  const colours = JSON.stringify(dashboard.panels).match(
    /#[0-9a-f]{6}|"fixedColor"|"(red|green|blue|orange|yellow)"/gi,
  );
  assert.equal(colours, null);
});

test('every metric and label of the dashboard and of the rules exists, here or in the list of foreign ones', () => {
  const known = readKnownMetrics();
  const rules = buildRuleGroups().flatMap((group) => group.rules);
  const recorded = new Map(
    rules.flatMap((rule) => ('record' in rule ? [[rule.record, parsePromql(rule.expr).grouping]] : [])),
  );
  const asked = [
    ...expressions,
    ...rules.map((rule) => ({ name: 'alert' in rule ? rule.alert : rule.record, expr: rule.expr })),
  ];
  for (const { name, expr } of asked) {
    const { selectors, grouping } = parsePromql(fillIn(expr));
    const allowed = new Set<string>(SCRAPED);
    for (const { metric, labels } of selectors) {
      const its = known.get(metric) ?? FOREIGN.get(metric) ?? recorded.get(metric);
      assert.ok(its, `${name}: nobody has a metric ${metric}`);
      for (const label of labels)
        assert.ok([...its, ...SCRAPED].includes(label), `${name}: ${metric} has no label ${label}`);
      for (const label of its) allowed.add(label);
    }
    for (const label of grouping) assert.ok(allowed.has(label), `${name}: groups by ${label}, which nothing there has`);
  }
});

test('legends name labels that are left', () => {
  for (const { title, targets = [] } of panels) {
    for (const target of targets as readonly (Target & { readonly legendFormat: string })[]) {
      const { grouping } = parsePromql(fillIn(target.expr));
      for (const [, label = ''] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        assert.ok(grouping.includes(label), `${title}: ${label}`);
      }
    }
  }
});
