// The chart's objects for the Prometheus operator, against the operator's own kinds on a real API server.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CHART, helm, SKIP, type Values, valuesArgs } from '../charts/helm.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { established } from './established.ts';
import { run } from './run.ts';

const MODULE = 'github.com/prometheus-operator/prometheus-operator@v0.85.0';
const SUM = 'h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=';
const KINDS = ['servicemonitors', 'podmonitors', 'prometheusrules'];
const SCRAPE_FROM = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];
const labels = { release: 'monitoring' };
const relabelings = [{ sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' }];

/** Values, and the template that they make an object of. */
const CASES: Readonly<Record<string, readonly [template: string, values: Values]>> = {
  'a ServiceMonitor': ['monitors', { metrics: { serviceMonitor: { enabled: true, labels, relabelings } } }],
  'a PodMonitor': ['monitors', { metrics: { podMonitor: { enabled: true, labels, relabelings } } }],
  'the PrometheusRule': ['prometheusrule', { prometheusRule: { enabled: true, labels } }],
};

describe('the Prometheus operator', { skip: SKIP, timeout: 300_000 }, () => {
  let cluster: Cluster | undefined;
  const kubectl = (...args: string[]) => (cluster as Cluster).kubectl(...args);

  before(async () => {
    const { Dir, Sum } = JSON.parse(await run(['go', 'mod', 'download', '-C', tmpdir(), '-json', MODULE]));
    assert.equal(Sum, SUM);
    cluster = await startControlPlane(['etcd', 'kube-apiserver']);
    const files = KINDS.map((kind) =>
      path.join(Dir, `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`),
    );
    await kubectl('apply', '--server-side', ...files.map((file) => `--filename=${file}`));
    await established(cluster);
    await kubectl('create', 'namespace', 'cnn-sweep');
  });
  after(() => cluster?.stop());

  const render = (template: string, values: Values) => {
    const args = [
      '--namespace',
      'cnn-sweep',
      '--kube-version',
      '1.34',
      '--show-only',
      `templates/monitoring/${template}.yaml`,
    ];
    const all = { networkPolicy: { scrapeFrom: SCRAPE_FROM }, ...values };
    return helm('helm', ['template', 'cnn-sweep', CHART, ...args, ...valuesArgs(all)]);
  };
  const apply = (manifest: string) =>
    (cluster as Cluster).apply(manifest, '--dry-run=server', '--validate=strict', '--server-side');

  for (const [sentence, [template, values]] of Object.entries(CASES)) {
    test(`takes ${sentence}, with no field that it does not know`, async () => {
      const manifest = await render(template, values);
      await apply(manifest);
      const wrong = manifest.replace(/^ {2}(groups|endpoints|podMetricsEndpoints):/m, '  $1s:');
      assert.notEqual(wrong, manifest);
      await assert.rejects(apply(wrong), /unknown field|Required value|not declared in schema/i);
    });
  }
});
