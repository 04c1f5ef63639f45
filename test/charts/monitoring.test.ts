import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { buildRuleGroups } from '../../k8s/alerts.ts';
import { buildDashboard } from '../../k8s/grafana.ts';
import { at, find, listAt, type Rendered, type RenderOptions, render, SKIP, sorted, type Values } from './helm.ts';

const MONITORING = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];
const NETWORK = { networkPolicy: { scrapeFrom: MONITORING } };

/** The same by both Helms; Secrets aside, which are random. */
async function renderBoth(values: Values, options: RenderOptions = {}): Promise<Rendered[]> {
  const [three, four] = await Promise.all(
    (['helm', 'helm4'] as const).map(async (program) =>
      (await render(values, { ...options, program })).filter(({ kind }) => kind !== 'Secret'),
    ),
  );
  assert.deepEqual(four, three, 'Helm 3 and 4 differ');
  return three ?? [];
}

const groupsOf = (objects: readonly Rendered[], name = 'cnn-sweep') =>
  listAt(find(objects, 'PrometheusRule', name), 'spec', 'groups');
const namesOfGroups = (groups: readonly unknown[]) => groups.map((group) => at(group, 'name'));

suite('monitoring in the chart', { skip: SKIP }, () => {
  test('nothing of it is there unless it is asked for', async () => {
    const kinds = (await renderBoth({})).map(({ kind }) => kind);
    for (const kind of ['PrometheusRule', 'ServiceMonitor', 'PodMonitor']) assert.ok(!kinds.includes(kind), kind);
    assert.ok(!JSON.stringify(await renderBoth({})).includes('grafana_dashboard'));
  });

  test('the PrometheusRule holds the rules of the generator, with labels of one’s own', async () => {
    const objects = await renderBoth({ prometheusRule: { enabled: true, labels: { release: 'monitoring' } } });
    assert.deepEqual(groupsOf(objects), buildRuleGroups());
    const { labels } = find(objects, 'PrometheusRule', 'cnn-sweep').metadata;
    assert.equal(labels?.release, 'monitoring');
    assert.equal(labels?.['app.kubernetes.io/name'], 'cnn-sweep');
  });

  test('a release of another name asks for its own lease, and for runbooks where they are', async () => {
    const values = { prometheusRule: { enabled: true, docsUrl: 'https://docs.test/cnn/' } };
    const groups = groupsOf(await renderBoth(values, { release: 'team' }), 'team-cnn-sweep');
    assert.deepEqual(namesOfGroups(groups), namesOfGroups(buildRuleGroups()));
    const text = JSON.stringify(groups);
    assert.match(text, /leader_election_master_status\{name=\\"team-cnn-sweep-controller\\"\}/);
    assert.match(text, /"runbook_url":"https:\/\/docs\.test\/cnn\/runbooks\.md#cnnsweepnoleader"/);
    const plain = await renderBoth(
      { ...values, controller: { leaderElection: { enabled: false } } },
      { release: 'team' },
    );
    assert.match(JSON.stringify(groupsOf(plain, 'team-cnn-sweep')), /\{name=\\"cnn-sweep-controller\\"\}/);
  });

  test('nobody is told that what was left out is down', async () => {
    const values = { prometheusRule: { enabled: true }, dashboard: { enabled: false }, nats: { enabled: false } };
    assert.deepEqual(namesOfGroups(groupsOf(await renderBoth(values))), ['cnn-sweep-recorded', 'cnn-sweep-controller']);
  });

  test('the ConfigMap holds the dashboard, where Grafana’s sidecar looks', async () => {
    const objects = await renderBoth({
      grafanaDashboard: { enabled: true, labels: { team: 'a' }, folder: 'Training' },
    });
    const { metadata, ...map } = find(objects, 'ConfigMap', 'cnn-sweep-grafana-dashboard');
    assert.equal(metadata.labels?.grafana_dashboard, '1');
    assert.equal(metadata.labels?.team, 'a');
    assert.deepEqual(metadata.annotations, { grafana_folder: 'Training' });
    assert.deepEqual(JSON.parse(String(at(map, 'data', 'cnn-sweep.json'))), buildDashboard());
  });

  for (const [kind, key, endpoints] of [
    ['ServiceMonitor', 'serviceMonitor', 'endpoints'],
    ['PodMonitor', 'podMonitor', 'podMetricsEndpoints'],
  ] as const) {
    test(`a ${kind} finds the pages of controller and dashboard, and no other`, async () => {
      const objects = await renderBoth({ ...NETWORK, metrics: { [key]: { enabled: true, labels: { release: 'm' } } } });
      const monitor = find(objects, kind, 'cnn-sweep');
      assert.equal(monitor.metadata.labels?.release, 'm');
      assert.deepEqual(
        listAt(monitor, 'spec', endpoints).map((each) => at(each, 'port')),
        ['metrics'],
      );
      const wanted = Object.entries(at(monitor, 'spec', 'selector', 'matchLabels') as Record<string, string>);
      const isFound = (labels: unknown) => wanted.every(([label, value]) => at(labels, label) === value);
      const scraped = objects.flatMap((each) => {
        const [labels, ports] =
          kind === 'ServiceMonitor'
            ? [each.metadata.labels, each.kind === 'Service' ? listAt(each, 'spec', 'ports') : []]
            : [
                at(each, 'spec', 'template', 'metadata', 'labels'),
                listAt(each, 'spec', 'template', 'spec', 'containers').flatMap((one) => listAt(one, 'ports')),
              ];
        const isOne = isFound(labels) && ports.some((port) => at(port, 'name') === 'metrics');
        return isOne ? [String(at(labels, 'app.kubernetes.io/component'))] : [];
      });
      assert.deepEqual(sorted(scraped), ['controller', 'dashboard']);
    });
  }
});
