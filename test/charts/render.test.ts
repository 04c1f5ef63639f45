import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { parseFlags } from '../../src/controller/flags.ts';
import {
  at,
  CHART,
  containersOf,
  find,
  HELMS,
  helm,
  listAt,
  namesOf,
  podsOf,
  type Rendered,
  render,
  SKIP,
  type Values,
  withoutSecrets,
} from './helm.ts';

const DIGEST = `sha256:${'0a'.repeat(32)}`;
const MONITORING = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } }];

const argsOf = (objects: readonly Rendered[]) =>
  listAt(controllerOf(objects), 'spec', 'template', 'spec', 'containers', 0, 'args') as string[];
const controllerOf = (objects: readonly Rendered[]) =>
  objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name.endsWith('-controller')) as Rendered;
const imagesOf = (objects: readonly Rendered[]) => [
  ...podsOf(objects).flatMap(({ pod }) => containersOf(pod).map((each) => at(each, 'image'))),
  argsOf(objects)
    .find((each) => each.startsWith('--trainer-image='))
    ?.split('=')[1],
];
const kinds = (objects: readonly Rendered[], kind: string) => namesOf(objects.filter((each) => each.kind === kind));

/** What each set of values makes of the objects. */
const CASES: Readonly<Record<string, { values: Values; want: (objects: readonly Rendered[]) => void }>> = {
  'the defaults are one controller that watches its own namespace, and what it needs': {
    values: {},
    want: (objects) => {
      assert.deepEqual(namesOf(objects), [
        'ClusterRole cnn-sweep-admin.cnn-sweep',
        'ClusterRole cnn-sweep-callout.cnn-sweep',
        'ClusterRole cnn-sweep-edit.cnn-sweep',
        'ClusterRole cnn-sweep-view.cnn-sweep',
        'ClusterRoleBinding cnn-sweep-callout.cnn-sweep',
        'ConfigMap cnn-sweep/cnn-sweep-nats',
        'CustomResourceDefinition sweeps.cnn-sweep.dev',
        'CustomResourceDefinition trialresultslices.cnn-sweep.dev',
        'Deployment cnn-sweep/cnn-sweep-controller',
        'Deployment cnn-sweep/cnn-sweep-dashboard',
        'Lease cnn-sweep/cnn-sweep-controller',
        'NetworkPolicy cnn-sweep/cnn-sweep-controller',
        'NetworkPolicy cnn-sweep/cnn-sweep-dashboard',
        'NetworkPolicy cnn-sweep/cnn-sweep-default-deny',
        'NetworkPolicy cnn-sweep/cnn-sweep-nats',
        'NetworkPolicy cnn-sweep/cnn-sweep-test',
        'NetworkPolicy cnn-sweep/cnn-sweep-trainer',
        'Pod cnn-sweep/cnn-sweep-test',
        'Role cnn-sweep/cnn-sweep-controller',
        'Role cnn-sweep/cnn-sweep-controller-lease',
        'Role cnn-sweep/cnn-sweep-dashboard',
        'Role cnn-sweep/cnn-sweep-test-lease',
        'Role cnn-sweep/cnn-sweep-test-sweep',
        'RoleBinding cnn-sweep/cnn-sweep-controller',
        'RoleBinding cnn-sweep/cnn-sweep-controller-lease',
        'RoleBinding cnn-sweep/cnn-sweep-dashboard',
        'RoleBinding cnn-sweep/cnn-sweep-test-lease',
        'RoleBinding cnn-sweep/cnn-sweep-test-sweep',
        'Secret cnn-sweep/cnn-sweep-nats-auth',
        'Secret cnn-sweep/cnn-sweep-nats-tls',
        'Service cnn-sweep/cnn-sweep-controller',
        'Service cnn-sweep/cnn-sweep-dashboard-metrics',
        'Service cnn-sweep/cnn-sweep-nats',
        'Service cnn-sweep/cnn-sweep-nats-headless',
        'ServiceAccount cnn-sweep/cnn-sweep-controller',
        'ServiceAccount cnn-sweep/cnn-sweep-dashboard',
        'ServiceAccount cnn-sweep/cnn-sweep-nats',
        'ServiceAccount cnn-sweep/cnn-sweep-test',
        'ServiceAccount cnn-sweep/cnn-sweep-trainer',
        'StatefulSet cnn-sweep/cnn-sweep-nats',
        'ValidatingAdmissionPolicy cnn-sweep-author.cnn-sweep',
        'ValidatingAdmissionPolicyBinding cnn-sweep-author.cnn-sweep',
      ]);
      assert.deepEqual(argsOf(objects), [
        '--namespaces=cnn-sweep',
        '--lease-namespace=cnn-sweep',
        '--lease-name=cnn-sweep-controller',
        '--trainer-image=cnn-sweep-trainer:0.1.0',
        '--trainer-pull-policy=IfNotPresent',
        '--trainer-service-account=cnn-sweep-trainer',
        '--trainer-limits={"memory":"8Gi"}',
        '--trainer-requests={"cpu":"500m","memory":"1Gi"}',
        '--port=9090',
        '--nats-url=tls://cnn-sweep-nats.cnn-sweep.svc:4222',
        '--nats-user=controller',
        '--nats-password-file=/etc/cnn-sweep/nats/password',
        '--nats-ca-file=/etc/cnn-sweep/nats/ca.crt',
        '--nats-callout-file=/etc/cnn-sweep/nats/callout',
        '--nats-stream-bytes=4294967296',
      ]);
      assert.deepEqual(imagesOf(objects), [
        'cnn-sweep:0.1.0',
        'cnn-sweep:0.1.0',
        'cnn-sweep:0.1.0',
        'nats:2.14.9',
        'cnn-sweep:0.1.0',
        'cnn-sweep-trainer:0.1.0',
      ]);
    },
  },
  'a registry for all images replaces that of each, the trainer’s too': {
    values: {
      global: { imageRegistry: 'registry.test:5000/mirror/' },
      image: { registry: 'one.test', tag: '1' },
      trainer: { image: { registry: 'two.test', repository: 'team/trainer', tag: '2' } },
      nats: { image: { registry: 'three.test' } },
    },
    want: (objects) =>
      assert.deepEqual(imagesOf(objects), [
        'registry.test:5000/mirror/cnn-sweep:1',
        'registry.test:5000/mirror/cnn-sweep:1',
        'registry.test:5000/mirror/cnn-sweep:1',
        'registry.test:5000/mirror/nats:2.14.9',
        'registry.test:5000/mirror/cnn-sweep:1',
        'registry.test:5000/mirror/team/trainer:2',
      ]),
  },
  'a digest goes before the tag': {
    values: {
      image: { registry: 'one.test', tag: '1', digest: DIGEST },
      trainer: { image: { digest: DIGEST, pullPolicy: 'Always' } },
    },
    want: (objects) => {
      assert.deepEqual(imagesOf(objects), [
        `one.test/cnn-sweep@${DIGEST}`,
        `one.test/cnn-sweep@${DIGEST}`,
        `one.test/cnn-sweep@${DIGEST}`,
        'nats:2.14.9',
        `one.test/cnn-sweep@${DIGEST}`,
        `cnn-sweep-trainer@${DIGEST}`,
      ]);
      assert.ok(argsOf(objects).includes('--trainer-pull-policy=Always'));
    },
  },
  'pull secrets are on our Pods and on the trainers’ ServiceAccounts': {
    values: { global: { imagePullSecrets: [{ name: 'pull' }] }, watchNamespaces: ['a', 'b'] },
    want: (objects) => {
      for (const { pod } of podsOf(objects)) assert.deepEqual(at(pod, 'imagePullSecrets'), [{ name: 'pull' }]);
      for (const namespace of ['a', 'b']) {
        const account = find(objects, 'ServiceAccount', 'cnn-sweep-trainer', namespace);
        assert.deepEqual(account.imagePullSecrets, [{ name: 'pull' }]);
        assert.equal(account.automountServiceAccountToken, false);
      }
    },
  },
  'each watched namespace gets the controller’s rights, the trainers’ account and their network policy; the own one the lease alone':
    {
      values: { watchNamespaces: ['a', 'b'] },
      want: (objects) => {
        assert.equal(argsOf(objects)[0], '--namespaces=a,b');
        assert.deepEqual(
          kinds(objects, 'Role').filter((name) => name.includes('controller')),
          ['Role a/cnn-sweep-controller', 'Role b/cnn-sweep-controller', 'Role cnn-sweep/cnn-sweep-controller-lease'],
        );
        assert.deepEqual(
          kinds(objects, 'ServiceAccount').filter((name) => name.includes('trainer')),
          ['ServiceAccount a/cnn-sweep-trainer', 'ServiceAccount b/cnn-sweep-trainer'],
        );
        assert.deepEqual(
          kinds(objects, 'NetworkPolicy').filter((name) => name.includes('trainer')),
          ['NetworkPolicy a/cnn-sweep-trainer', 'NetworkPolicy b/cnn-sweep-trainer'],
        );
        const binding = find(objects, 'RoleBinding', 'cnn-sweep-controller', 'a');
        assert.deepEqual(binding.subjects, [
          { kind: 'ServiceAccount', name: 'cnn-sweep-controller', namespace: 'cnn-sweep' },
        ]);
        assert.deepEqual(kinds(objects, 'ClusterRoleBinding'), ['ClusterRoleBinding cnn-sweep-callout.cnn-sweep']);
      },
    },
  'all namespaces mean a ClusterRole, and the account that every namespace has': {
    values: { watchNamespaces: ['*'] },
    want: (objects) => {
      assert.equal(argsOf(objects)[0], '--namespaces=*');
      assert.ok(argsOf(objects).includes('--trainer-service-account=default'));
      assert.deepEqual(kinds(objects, 'ClusterRoleBinding'), [
        'ClusterRoleBinding cnn-sweep-callout.cnn-sweep',
        'ClusterRoleBinding cnn-sweep-controller.cnn-sweep',
        'ClusterRoleBinding cnn-sweep-dashboard.cnn-sweep',
      ]);
      assert.deepEqual(
        kinds(objects, 'Role').filter((name) => name.includes('controller')),
        ['Role cnn-sweep/cnn-sweep-controller-lease'],
      );
      assert.ok(!namesOf(objects).some((name) => name.startsWith('ServiceAccount') && name.includes('trainer')));
      const policy = find(objects, 'ValidatingAdmissionPolicy', 'cnn-sweep-author.cnn-sweep');
      assert.equal(at(policy, 'spec', 'matchConstraints', 'namespaceSelector'), undefined);
    },
  },
  'what a trial is given by default goes to the controller, and can be nothing': {
    values: { trainer: { resources: { limits: null, requests: { cpu: 0.5, memory: null } } } },
    want: (objects) =>
      assert.deepEqual(
        argsOf(objects).filter((each) => /limits|requests/.test(each)),
        ['--trainer-requests={"cpu":0.5}'],
      ),
  },
  'a Pod may use more than it requests before another one comes': {
    values: {
      dashboard: { auth: { mode: 'token' }, autoscaling: { enabled: true, targetCPUUtilizationPercentage: 400 } },
    },
    want: (objects) => {
      const scaler = find(objects, 'HorizontalPodAutoscaler', 'cnn-sweep-dashboard');
      assert.match(JSON.stringify(at(scaler, 'spec')), /"averageUtilization":400/);
    },
  },
  'two replicas come with a budget that never blocks a drain, and rather on different nodes': {
    values: { controller: { replicas: 2 } },
    want: (objects) => {
      const budget = find(objects, 'PodDisruptionBudget', 'cnn-sweep-controller');
      assert.equal(at(budget, 'spec', 'maxUnavailable'), 1);
      assert.equal(at(budget, 'spec', 'unhealthyPodEvictionPolicy'), 'AlwaysAllow');
      assert.ok(at(controllerOf(objects), 'spec', 'template', 'spec', 'affinity', 'podAntiAffinity'));
    },
  },
  'without a lease the controller stops before the next starts, and has no right on leases': {
    values: { controller: { leaderElection: { enabled: false } } },
    want: (objects) => {
      assert.deepEqual(at(controllerOf(objects), 'spec', 'strategy'), { type: 'Recreate' });
      assert.ok(argsOf(objects).includes('--no-leader-elect'));
      assert.ok(!argsOf(objects).some((each) => each.startsWith('--lease')));
      assert.doesNotMatch(JSON.stringify(objects), /leases|"Lease"/);
    },
  },
  'Kueue is a flag and the right to read its queues': {
    values: { kueue: { enabled: true } },
    want: (objects) => {
      assert.ok(argsOf(objects).includes('--kueue'));
      const rules = listAt(find(objects, 'Role', 'cnn-sweep-controller'), 'rules');
      assert.deepEqual(rules.slice(-1), [
        { apiGroups: ['kueue.x-k8s.io'], resources: ['localqueues'], verbs: ['get'] },
      ]);
    },
  },
  'each part can be left out': {
    values: {
      crds: { install: false },
      rbac: { create: false, aggregate: false },
      admissionPolicy: { enabled: false },
      networkPolicy: { enabled: false },
      controller: { serviceAccount: { create: false, name: 'mine' } },
      trainer: { serviceAccount: { create: false, name: 'trainers' } },
      tests: { serviceAccount: { create: false, name: 'mine' } },
      dashboard: { enabled: false },
      nats: { enabled: false },
    },
    want: (objects) => {
      assert.deepEqual(namesOf(objects), [
        'Deployment cnn-sweep/cnn-sweep-controller',
        'Lease cnn-sweep/cnn-sweep-controller',
        'Pod cnn-sweep/cnn-sweep-test',
        'Service cnn-sweep/cnn-sweep-controller',
      ]);
      for (const { pod } of podsOf(objects)) assert.equal(at(pod, 'serviceAccountName'), 'mine');
      assert.ok(argsOf(objects).includes('--trainer-service-account=trainers'));
    },
  },
  'kinds that are not kept go with the release': {
    values: { crds: { keep: false } },
    want: (objects) => assert.ok(!JSON.stringify(objects).includes('resource-policy')),
  },
  'a monitor finds what has a port for metrics, and only those who are named may read it': {
    values: {
      metrics: { serviceMonitor: { enabled: true, labels: { release: 'prometheus' }, interval: '15s' } },
      networkPolicy: { scrapeFrom: MONITORING },
    },
    want: (objects) => {
      const monitor = find(objects, 'ServiceMonitor', 'cnn-sweep');
      assert.equal(monitor.metadata.labels?.release, 'prometheus');
      assert.deepEqual(at(monitor, 'spec', 'endpoints'), [{ port: 'metrics', interval: '15s' }]);
      const from = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-controller'), 'spec', 'ingress', 0, 'from');
      assert.equal(from.length, 2);
      assert.deepEqual(from[1], MONITORING[0]);
    },
  },
  'a monitor of Pods looks at the same port': {
    values: { metrics: { podMonitor: { enabled: true } }, networkPolicy: { enabled: false } },
    want: (objects) =>
      assert.deepEqual(at(find(objects, 'PodMonitor', 'cnn-sweep'), 'spec', 'podMetricsEndpoints'), [
        { port: 'metrics', interval: '30s' },
      ]),
  },
  'what a component is given reaches its Pods, and its selector stays': {
    values: {
      controller: {
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'a', operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
        priorityClassName: 'high',
        podLabels: { team: 'a', 'app.kubernetes.io/name': 'not-ours' },
        podAnnotations: { note: 'b' },
        extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy.test' }],
        extraArgs: ['--delete-delay-seconds=60'],
        resources: { limits: { memory: '1Gi' } },
        serviceAccount: { annotations: { role: 'c' } },
      },
    },
    want: (objects) => {
      const template = at(controllerOf(objects), 'spec', 'template');
      assert.equal(at(template, 'spec', 'nodeSelector', 'disk'), 'ssd');
      assert.equal(at(template, 'spec', 'tolerations', 0, 'key'), 'a');
      assert.deepEqual(at(template, 'spec', 'affinity'), { nodeAffinity: {} });
      assert.equal(at(template, 'spec', 'topologySpreadConstraints', 0, 'topologyKey'), 'zone');
      assert.equal(at(template, 'spec', 'priorityClassName'), 'high');
      assert.equal(at(template, 'metadata', 'labels', 'team'), 'a');
      assert.equal(at(template, 'metadata', 'labels', 'app.kubernetes.io/name'), 'cnn-sweep');
      assert.deepEqual(at(template, 'metadata', 'annotations'), { note: 'b' });
      assert.equal(at(template, 'spec', 'containers', 0, 'env', 0, 'name'), 'HTTPS_PROXY');
      assert.equal(at(template, 'spec', 'containers', 0, 'resources', 'limits', 'memory'), '1Gi');
      assert.equal(argsOf(objects).at(-1), '--delete-delay-seconds=60');
      assert.deepEqual(find(objects, 'ServiceAccount', 'cnn-sweep-controller').metadata.annotations, { role: 'c' });
    },
  },
  'without NATS nobody speaks of it': {
    values: { nats: { enabled: false } },
    want: (objects) => {
      assert.doesNotMatch(
        JSON.stringify(objects.filter(({ kind }) => kind !== 'CustomResourceDefinition')),
        /nats|4222/i,
      );
      const pods = listAt(find(objects, 'Role', 'cnn-sweep-controller'), 'rules').find((rule) =>
        listAt(rule, 'resources').includes('pods'),
      );
      assert.deepEqual(at(pods, 'verbs'), ['list', 'watch'], 'a right that nobody uses');
      const jobs = listAt(find(objects, 'Role', 'cnn-sweep-controller'), 'rules').find((rule) =>
        listAt(rule, 'resources').includes('jobs'),
      );
      assert.deepEqual(at(jobs, 'verbs'), ['list', 'watch', 'create', 'delete']);
      assert.equal(at(find(objects, 'NetworkPolicy', 'cnn-sweep-trainer'), 'spec', 'egress'), undefined);
    },
  },
  'NATS is one server with a volume that goes with the release, and starts anew with its configuration': {
    values: { nats: { persistence: { size: '20Gi', storageClass: 'fast' }, podAnnotations: { note: 'a' } } },
    want: (objects) => {
      const set = find(objects, 'StatefulSet', 'cnn-sweep-nats');
      assert.equal(at(set, 'spec', 'replicas'), 1);
      assert.equal(at(set, 'spec', 'persistentVolumeClaimRetentionPolicy', 'whenDeleted'), 'Delete');
      const claim = at(set, 'spec', 'volumeClaimTemplates', 0, 'spec');
      assert.equal(at(claim, 'resources', 'requests', 'storage'), '20Gi');
      assert.equal(at(claim, 'storageClassName'), 'fast');
      assert.deepEqual(at(set, 'spec', 'selector', 'matchLabels'), {
        'app.kubernetes.io/name': 'cnn-sweep',
        'app.kubernetes.io/instance': 'cnn-sweep',
        'app.kubernetes.io/component': 'nats',
      });
      assert.equal(at(set, 'spec', 'template', 'spec', 'automountServiceAccountToken'), false);
      const annotations = at(set, 'spec', 'template', 'metadata', 'annotations') as Record<string, string>;
      assert.match(String(annotations['checksum/config']), /^[0-9a-f]{64}$/);
      assert.equal(annotations.note, 'a');
      const [container] = listAt(set, 'spec', 'template', 'spec', 'containers');
      assert.equal(
        at(container, 'livenessProbe', 'httpGet', 'path'),
        '/healthz',
        'a full disk is cured by a restart alone',
      );
    },
  },
  'the store of NATS follows from its volume, and the streams are as large as is said': {
    values: { nats: { persistence: { size: '1.5Ti' }, streams: { maxBytes: '500G' } } },
    want: (objects) => {
      assert.ok(argsOf(objects).includes('--nats-stream-bytes=500000000000'));
      const conf = String(at(find(objects, 'ConfigMap', 'cnn-sweep-nats'), 'data', 'nats.conf'));
      assert.match(conf, new RegExp(`^ {2}max_file_store: ${Math.floor(1.5 * 1024 ** 4 * 0.9)}$`, 'm'));
    },
  },
  'streams in a server of one’s own are as large as is said, whatever our volume would hold': {
    values: {
      nats: {
        enabled: false,
        external: { url: 'tls://nats.test', existingSecret: 'theirs' },
        streams: { maxBytes: '100Gi' },
      },
    },
    want: (objects) => assert.ok(argsOf(objects).includes(`--nats-stream-bytes=${100 * 1024 ** 3}`)),
  },
  'NATS without a volume keeps what it has in its Pod': {
    values: { nats: { persistence: { enabled: false } } },
    want: (objects) => {
      const set = find(objects, 'StatefulSet', 'cnn-sweep-nats');
      assert.equal(at(set, 'spec', 'volumeClaimTemplates'), undefined);
      const volumes = listAt(set, 'spec', 'template', 'spec', 'volumes');
      assert.deepEqual(
        at(
          volumes.find((each) => at(each, 'name') === 'data'),
          'emptyDir',
        ),
        { sizeLimit: '10Gi' },
      );
    },
  },
  'trials reach names and NATS alone, from every watched namespace': {
    values: { watchNamespaces: ['a', 'b'], networkPolicy: { scrapeFrom: MONITORING } },
    want: (objects) => {
      const egress = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-trainer', 'a'), 'spec', 'egress');
      assert.deepEqual(
        egress.map((rule) => at(rule, 'ports', 0, 'port')),
        [53, 4222],
      );
      assert.deepEqual(at(egress[1], 'to', 0, 'namespaceSelector', 'matchLabels'), {
        'kubernetes.io/metadata.name': 'cnn-sweep',
      });
      const ingress = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-nats'), 'spec', 'ingress');
      assert.deepEqual(
        ingress.map((rule) => at(rule, 'ports', 0, 'port')),
        [4222, 8222],
      );
      const from = listAt(ingress[0], 'from');
      assert.deepEqual(at(from.at(-1), 'namespaceSelector', 'matchExpressions', 0, 'values'), ['a', 'b']);
      assert.deepEqual(at(from.at(-1), 'podSelector', 'matchLabels', 'app.kubernetes.io/component'), 'trainer');
      const controller = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-controller'), 'spec', 'egress');
      assert.deepEqual(at(controller.at(-1), 'ports', 0, 'port'), 4222);
    },
  },
  'Secrets of one’s own replace those that are made': {
    values: { nats: { auth: { existingSecret: 'mine' }, tls: { existingSecret: 'certificates' } } },
    want: (objects) => {
      assert.deepEqual(kinds(objects, 'Secret'), []);
      const volumes = JSON.stringify(podsOf(objects).map(({ pod }) => at(pod, 'volumes')));
      assert.match(volumes, /"mine"/);
      assert.match(volumes, /"certificates"/);
      assert.doesNotMatch(volumes, /cnn-sweep-nats-(auth|tls)/);
    },
  },
  'a NATS of one’s own is a url and a Secret, and the controller vouches for trials there too': {
    values: {
      nats: { enabled: false, external: { url: 'tls://nats.test:4333', existingSecret: 'theirs', replicas: 3 } },
    },
    want: (objects) => {
      assert.deepEqual(
        argsOf(objects).filter((each) => each.includes('nats')),
        [
          '--nats-url=tls://nats.test:4333',
          '--nats-user=controller',
          '--nats-password-file=/etc/cnn-sweep/nats/password',
          '--nats-ca-file=/etc/cnn-sweep/nats/ca.crt',
          '--nats-callout-file=/etc/cnn-sweep/nats/callout',
          '--nats-stream-bytes=4294967296',
          '--nats-replicas=3',
        ],
      );
      assert.deepEqual([...kinds(objects, 'StatefulSet'), ...kinds(objects, 'Secret')], []);
      const egress = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-trainer'), 'spec', 'egress');
      assert.deepEqual(egress.at(-1), { ports: [{ port: 4333, protocol: 'TCP' }] });
    },
  },
  'without the callout trials share a Secret, and nobody reviews tokens': {
    values: {
      nats: {
        enabled: false,
        external: { url: 'nats://nats.test', tls: false, existingSecret: 'theirs', trainerSecret: 'shared' },
      },
    },
    want: (objects) => {
      assert.ok(argsOf(objects).includes('--trainer-nats-secret=shared'));
      assert.ok(!argsOf(objects).some((each) => /callout|ca-file/.test(each)));
      const controller = podsOf(objects).find(({ name }) => name === 'Deployment cnn-sweep-controller');
      assert.doesNotMatch(JSON.stringify(controller), /callout/);
      assert.ok(!kinds(objects, 'ClusterRole').some((name) => name.includes('callout')));
    },
  },
  'objects of one’s own may use the release’s names': {
    values: {
      extraObjects: [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ .Release.Name }}-mapping' } },
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-text"}',
      ],
    },
    want: (objects) =>
      assert.deepEqual(
        kinds(objects, 'ConfigMap').filter((name) => !name.includes('/')),
        ['ConfigMap cnn-sweep-mapping', 'ConfigMap cnn-sweep-text'],
      ),
  },
  'a test that trains may read and delete its Sweep': {
    values: { tests: { sweep: true } },
    want: (objects) => {
      const rules = listAt(find(objects, 'Role', 'cnn-sweep-test-sweep'), 'rules');
      assert.deepEqual(at(rules, 0, 'verbs'), ['create', 'get', 'delete']);
      assert.deepEqual(
        listAt(find(objects, 'Pod', 'cnn-sweep-test'), 'spec', 'containers', 0, 'args').at(-1),
        '--sweep',
      );
    },
  },
};

suite('the chart, rendered by Helm', { skip: SKIP, concurrency: 2 }, () => {
  for (const [sentence, { values, want }] of Object.entries(CASES)) {
    test(sentence, async () => {
      const [first, second] = [await render(values, { program: 'helm' }), await render(values, { program: 'helm4' })];
      want(first);
      assert.deepEqual(withoutSecrets(second), withoutSecrets(first), 'Helm 3 and 4 differ');
    });
  }

  for (const [url, port] of [
    ['tls://nats.test:4333', 4333],
    ['tls://nats.test', 4222],
    ['tls://nats-2', 4222],
    ['tls://10.0.0.5', 4222],
    ['tls://10.0.0.5:7', 7],
  ] as const)
    test(`Pods reach the NATS ${url} at its port`, async () => {
      const objects = await render({ nats: { enabled: false, external: { url, existingSecret: 'theirs' } } });
      for (const who of ['controller', 'dashboard', 'trainer']) {
        const egress = listAt(find(objects, 'NetworkPolicy', `cnn-sweep-${who}`), 'spec', 'egress');
        assert.deepEqual(egress.at(-1), { ports: [{ port, protocol: 'TCP' }] }, who);
      }
    });

  test('a selector never changes with the values or the version, and finds the Pods of its component', async () => {
    for (const { values } of Object.values(CASES)) {
      const objects = await render(values);
      const selector = at(controllerOf(objects), 'spec', 'selector', 'matchLabels');
      assert.deepEqual(selector, {
        'app.kubernetes.io/name': 'cnn-sweep',
        'app.kubernetes.io/instance': 'cnn-sweep',
        'app.kubernetes.io/component': 'controller',
      });
      assert.deepEqual(at(find(objects, 'Service', 'cnn-sweep-controller'), 'spec', 'selector'), selector);
    }
  });

  test('two releases in two namespaces have no name without a namespace in common, the kinds aside', async () => {
    const values = { crds: { install: false }, watchNamespaces: ['*'] };
    const clusterWide = async (release: string, namespace: string) =>
      namesOf((await render(values, { release, namespace })).filter(({ metadata }) => !metadata.namespace));
    const one = await clusterWide('cnn-sweep', 'a');
    const two = await clusterWide('cnn-sweep', 'b');
    assert.equal(one.length, 11);
    assert.deepEqual(
      one.filter((name) => two.includes(name)),
      [],
    );
  });

  test('a release may be called anything that Helm allows', async () => {
    const names = async (release: string) => controllerOf(await render({}, { release })).metadata.name;
    assert.equal(await names('team.a'), 'team-a-cnn-sweep-controller');
    assert.equal(await names('my-cnn-sweep'), 'my-cnn-sweep-controller');
    const long = (await render({ dashboard: { auth: { mode: 'token' } } }, { release: 'x'.repeat(53) }))
      .filter(({ kind, metadata }) => /^(Service|Deployment|StatefulSet|Pod)$/.test(kind) && metadata.name.length > 63)
      .map(({ metadata }) => metadata.name);
    assert.deepEqual(long, []);
  });

  // A YAML file of Kubernetes' says of `no` that it is false, and of `1e3` that it is a number.
  test('a name that looks like a number or an answer stays a name', async () => {
    const account = { create: false, name: '0x1' };
    const part = { priorityClassName: '100', serviceAccount: account };
    const values = {
      watchNamespaces: ['no', '42'],
      controller: part,
      dashboard: {
        ...part,
        ...{ auth: { mode: 'proxy' }, tls: { existingSecret: '1e3' } },
        ingress: { enabled: true, className: 'on', host: 'page.test', tlsSecret: '2e3' },
      },
      nats: { ...part, auth: { existingSecret: 'yes' }, tls: { existingSecret: '1.5' } },
      tests: { serviceAccount: account },
      trainer: { serviceAccount: { create: true, name: 'off' } },
      networkPolicy: { ingressFrom: MONITORING, scrapeFrom: MONITORING },
      metrics: { serviceMonitor: { enabled: true } },
      prometheusRule: { enabled: true },
    };
    const objects = await render(values, { release: '123', namespace: '1e3' });
    const wrong: unknown[] = [];
    const look = (value: unknown, where: string) => {
      if (typeof value !== 'object' || value === null) return;
      for (const [key, inner] of Object.entries(value)) {
        const here = `${where}.${key}`;
        const isWord = /(^|\.)(\w*[nN]ame|namespace|app\.kubernetes\.io\/\w+)$|(abels|nnotations)\.[^.]*$/.test(here);
        if (isWord && typeof inner !== 'string') wrong.push([here, inner]);
        look(inner, here);
      }
    };
    const ours = objects.filter(({ kind }) => kind !== 'CustomResourceDefinition');
    for (const object of ours) look(object, `${object.kind} ${object.metadata.name}`);
    assert.deepEqual(wrong, []);
    assert.ok(ours.some(({ metadata }) => metadata.namespace === 'no'));
    const digits = ours.filter(({ kind, metadata }) => kind === 'Service' && /^\d/.test(metadata.name));
    assert.deepEqual(digits, [], 'Services begin with a letter');
  });

  for (const [sentence, { values }] of Object.entries(CASES)) {
    test(`the controller takes these arguments: ${sentence}`, async () => {
      parseFlags(argsOf(await render(values)));
    });
  }

  for (const program of HELMS) {
    test(`${program} lint --strict finds nothing`, async () => {
      assert.match(await helm(program, ['lint', '--strict', CHART]), /0 chart\(s\) failed/);
    });
  }

  test('the chart says which images it uses, and its versions are those of the package', async () => {
    const chart: unknown = parse(await readFile(path.join(CHART, 'Chart.yaml'), 'utf8'));
    const images = parse(String(at(chart, 'annotations', 'artifacthub.io/images'))) as { image: string }[];
    assert.deepEqual(
      images.map(({ image }) => image),
      [...new Set(imagesOf(await render()))],
    );
    const { version } = JSON.parse(await readFile(path.join(CHART, '../package.json'), 'utf8')) as { version: string };
    assert.equal(at(chart, 'appVersion'), version);
    assert.equal(at(chart, 'version'), version);
  });
});
