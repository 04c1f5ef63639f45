import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { servesTls } from '../../src/cli/find-dashboard.ts';
import { parseFlags } from '../../src/dashboard/flags.ts';
import type { Pod } from '../../src/shared/objects.ts';
import {
  at,
  CHART,
  find,
  HELMS,
  helm,
  listAt,
  namesOf,
  type Rendered,
  render,
  SKIP,
  type Values,
  valuesArgs,
} from './helm.ts';

const NAME = 'cnn-sweep-dashboard';
const PEERS = [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'ingress' } } }];
const NO_NATS = { nats: { enabled: false } };
/** Labels that its Pods are found by. */
const SELECTOR = {
  'app.kubernetes.io/name': 'cnn-sweep',
  'app.kubernetes.io/instance': 'cnn-sweep',
  'app.kubernetes.io/component': 'dashboard',
};

const deploymentOf = (objects: readonly Rendered[]) => find(objects, 'Deployment', NAME);
const podOf = (objects: readonly Rendered[]) => at(deploymentOf(objects), 'spec', 'template', 'spec');
const containerOf = (objects: readonly Rendered[]) => at(podOf(objects), 'containers', 0);
const argsOf = (objects: readonly Rendered[]) => listAt(containerOf(objects), 'args') as string[];
const policyOf = (objects: readonly Rendered[]) => find(objects, 'NetworkPolicy', NAME);
const doctorOf = (objects: readonly Rendered[]) =>
  listAt(find(objects, 'Pod', 'cnn-sweep-test'), 'spec', 'containers', 0, 'args');
/** Objects of the dashboard, without the others of the release. */
const ours = (objects: readonly Rendered[]) =>
  namesOf(objects.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'dashboard'));
/** `list batch/jobs`, each. */
const rightsOf = (role: Rendered) =>
  listAt(role, 'rules').flatMap((rule) =>
    listAt(rule, 'resources').flatMap((resource) =>
      listAt(rule, 'verbs').map((verb) => `${verb} ${listAt(rule, 'apiGroups').join()}/${resource}`),
    ),
  );

const READS = [
  'list cnn-sweep.dev/sweeps',
  'watch cnn-sweep.dev/sweeps',
  'list cnn-sweep.dev/trialresultslices',
  'watch cnn-sweep.dev/trialresultslices',
  'list batch/jobs',
  'watch batch/jobs',
  'list /pods',
  'watch /pods',
];

const proxy = { auth: { mode: 'proxy' }, tls: { existingSecret: 'page-tls' } };

/** What each set of values makes of the objects. */
const CASES: Readonly<Record<string, { values: Values; want: (objects: readonly Rendered[]) => void }>> = {
  'a page that speaks TLS is known by the name of its port': {
    values: { dashboard: proxy },
    want: (objects) => assert.ok(servesTls({ spec: podOf(objects) as Pod['spec'] & object })),
  },
  'a page that does not is known likewise': {
    values: NO_NATS,
    want: (objects) => assert.ok(!servesTls({ spec: podOf(objects) as Pod['spec'] & object })),
  },
  'by default one Pod listens on its loopback, reads its own namespace, and has no Service but for its metrics': {
    values: NO_NATS,
    want: (objects) => {
      assert.deepEqual(ours(objects), [
        'Deployment cnn-sweep/cnn-sweep-dashboard',
        'NetworkPolicy cnn-sweep/cnn-sweep-dashboard',
        'Role cnn-sweep/cnn-sweep-dashboard',
        'RoleBinding cnn-sweep/cnn-sweep-dashboard',
        'Service cnn-sweep/cnn-sweep-dashboard-metrics',
        'ServiceAccount cnn-sweep/cnn-sweep-dashboard',
      ]);
      assert.deepEqual(argsOf(objects), [
        '--namespaces=cnn-sweep',
        '--auth-mode=loopback',
        '--host=127.0.0.1',
        '--port=8080',
        '--ops-port=9090',
      ]);
      assert.equal(at(deploymentOf(objects), 'spec', 'replicas'), 1);
      assert.deepEqual(listAt(podOf(objects), 'volumes'), [{ name: 'tmp', emptyDir: { sizeLimit: '64Mi' } }]);
      assert.deepEqual(listAt(containerOf(objects), 'volumeMounts'), [{ name: 'tmp', mountPath: '/tmp' }]);
      assert.deepEqual(listAt(containerOf(objects), 'ports'), [
        { name: 'http', containerPort: 8080 },
        { name: 'metrics', containerPort: 9090 },
      ]);
      assert.deepEqual(rightsOf(find(objects, 'Role', NAME)), READS);
      assert.deepEqual(listAt(policyOf(objects), 'spec', 'ingress').length, 1);
      assert.deepEqual(at(policyOf(objects), 'spec', 'ingress', 0, 'ports'), [{ port: 9090, protocol: 'TCP' }]);
      assert.deepEqual(
        listAt(policyOf(objects), 'spec', 'egress').map((rule) =>
          listAt(rule, 'ports').map((port) => at(port, 'port')),
        ),
        [
          [53, 53],
          [443, 6443, 16443],
        ],
      );
    },
  },
  'switched off nothing of it is there, and nobody asks for it': {
    values: { dashboard: { enabled: false, auth: { mode: 'proxy' }, ingress: { enabled: true }, replicas: 2 } },
    want: (objects) => {
      assert.deepEqual(ours(objects), []);
      assert.ok(!doctorOf(objects).some((arg) => `${arg}`.startsWith('--dashboard-url')));
      assert.ok(!JSON.stringify(find(objects, 'NetworkPolicy', 'cnn-sweep-test')).includes('dashboard'));
    },
  },
  'helm test asks whether it is ready, and may': {
    values: {},
    want: (objects) => {
      assert.ok(doctorOf(objects).includes(`--dashboard-url=http://${NAME}-metrics.cnn-sweep:9090`));
      const egress = listAt(find(objects, 'NetworkPolicy', 'cnn-sweep-test'), 'spec', 'egress').at(-1);
      assert.deepEqual(at(egress, 'to', 1, 'podSelector', 'matchLabels'), SELECTOR);
      const from = at(policyOf(objects), 'spec', 'ingress', 0, 'from', 0, 'podSelector', 'matchLabels');
      assert.deepEqual(from, { ...SELECTOR, 'app.kubernetes.io/component': 'test' });
    },
  },
  'without NATS helm test asks for no streams': {
    values: { nats: { enabled: false } },
    want: (objects) => assert.ok(!doctorOf(objects).includes('--streams')),
  },
  'curves come over NATS, as a user of its own': {
    values: { nats: { enabled: true } },
    want: (objects) => {
      assert.ok(doctorOf(objects).includes('--streams'));
      const nats = argsOf(objects).filter((arg) => arg.startsWith('--nats'));
      assert.deepEqual(nats, [
        '--nats-url=tls://cnn-sweep-nats.cnn-sweep.svc:4222',
        '--nats-user=dashboard',
        '--nats-password-file=/etc/cnn-sweep/nats/password',
        '--nats-ca-file=/etc/cnn-sweep/nats/ca.crt',
      ]);
      const sources = listAt(podOf(objects), 'volumes', 1, 'projected', 'sources');
      assert.deepEqual(
        sources.map((source) => [at(source, 'secret', 'name'), listAt(source, 'secret', 'items')]),
        [
          ['cnn-sweep-nats-auth', [{ key: 'dashboard', path: 'password' }]],
          ['cnn-sweep-nats-tls', [{ key: 'ca.crt', path: 'ca.crt' }]],
        ],
        'no password but its own, and not the server’s key',
      );
      const mount = { name: 'nats', mountPath: '/etc/cnn-sweep/nats', readOnly: true };
      assert.deepEqual(at(containerOf(objects), 'volumeMounts', 1), mount);
      const egress = listAt(policyOf(objects), 'spec', 'egress').at(-1);
      assert.deepEqual(at(egress, 'ports'), [{ port: 4222, protocol: 'TCP' }]);
      const server = { ...SELECTOR, 'app.kubernetes.io/component': 'nats' };
      assert.deepEqual(at(egress, 'to', 0, 'podSelector', 'matchLabels'), server);
    },
  },
  'with tokens it listens to all, has a Service, and may ask whose a token is and what its owner may': {
    values: { ...NO_NATS, dashboard: { auth: { mode: 'token' } }, networkPolicy: { ingressFrom: PEERS } },
    want: (objects) => {
      assert.ok(argsOf(objects).includes('--auth-mode=token') && argsOf(objects).includes('--host=0.0.0.0'));
      const service = find(objects, 'Service', NAME);
      assert.equal(at(service, 'spec', 'type'), 'ClusterIP');
      assert.deepEqual(at(service, 'spec', 'ports'), [{ name: 'http', port: 8080, targetPort: 'http' }]);
      assert.deepEqual(rightsOf(find(objects, 'ClusterRole', `${NAME}-auth.cnn-sweep`)), [
        'create authentication.k8s.io/tokenreviews',
        'create authorization.k8s.io/subjectaccessreviews',
      ]);
      const binding = find(objects, 'ClusterRoleBinding', `${NAME}-auth.cnn-sweep`);
      assert.deepEqual(binding.subjects, [{ kind: 'ServiceAccount', name: NAME, namespace: 'cnn-sweep' }]);
      const rule = { ports: [{ port: 8080, protocol: 'TCP' }], from: PEERS };
      assert.deepEqual(listAt(policyOf(objects), 'spec', 'ingress')[1], rule);
    },
  },
  'with a proxy it speaks TLS, believes one authority, and asks only what its readers may': {
    values: { ...NO_NATS, dashboard: proxy },
    want: (objects) => {
      assert.deepEqual(
        argsOf(objects).filter((arg) => /tls|ca-file/.test(arg)),
        [
          '--tls-cert-file=/etc/cnn-sweep/tls/tls.crt',
          '--tls-key-file=/etc/cnn-sweep/tls/tls.key',
          '--client-ca-file=/etc/cnn-sweep/tls/ca.crt',
        ],
      );
      const volume = { name: 'tls', secret: { secretName: 'page-tls' } };
      assert.deepEqual(listAt(podOf(objects), 'volumes')[1], volume);
      const mount = { name: 'tls', mountPath: '/etc/cnn-sweep/tls', readOnly: true };
      assert.deepEqual(listAt(containerOf(objects), 'volumeMounts')[1], mount);
      const port = { name: 'https', port: 8080, targetPort: 'https' };
      assert.deepEqual(at(find(objects, 'Service', NAME), 'spec', 'ports'), [port]);
      assert.deepEqual(rightsOf(find(objects, 'ClusterRole', `${NAME}-auth.cnn-sweep`)), [
        'create authorization.k8s.io/subjectaccessreviews',
      ]);
    },
  },
  'a Service of another kind shows the page alone': {
    values: {
      dashboard: { auth: { mode: 'token' }, service: { type: 'LoadBalancer', port: 80, annotations: { a: 'b' } } },
    },
    want: (objects) => {
      const service = find(objects, 'Service', NAME);
      assert.equal(at(service, 'spec', 'type'), 'LoadBalancer');
      assert.deepEqual(at(service, 'spec', 'ports'), [{ name: 'http', port: 80, targetPort: 'http' }]);
      assert.deepEqual(service.metadata.annotations, { a: 'b' });
      assert.equal(at(find(objects, 'Service', `${NAME}-metrics`), 'spec', 'type'), undefined);
    },
  },
  'an Ingress leads to the page': {
    values: {
      dashboard: {
        ...proxy,
        ingress: {
          enabled: true,
          className: 'nginx',
          host: 'sweeps.test',
          tlsSecret: 'sweeps-tls',
          annotations: { 'cert-manager.io/issuer': 'ours' },
        },
      },
      networkPolicy: { ingressFrom: PEERS },
    },
    want: (objects) => {
      const ingress = find(objects, 'Ingress', NAME);
      assert.deepEqual(ingress.metadata.annotations, { 'cert-manager.io/issuer': 'ours' });
      const service = { name: NAME, port: { name: 'https' } };
      assert.deepEqual(ingress.spec, {
        ingressClassName: 'nginx',
        tls: [{ hosts: ['sweeps.test'], secretName: 'sweeps-tls' }],
        rules: [{ host: 'sweeps.test', http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service } }] } }],
      });
    },
  },
  'two replicas come with a budget, and rather on different nodes': {
    values: { dashboard: { replicas: 2, auth: { mode: 'token' } } },
    want: (objects) => {
      const budget = find(objects, 'PodDisruptionBudget', NAME);
      assert.equal(at(budget, 'spec', 'maxUnavailable'), 1);
      assert.equal(at(budget, 'spec', 'unhealthyPodEvictionPolicy'), 'AlwaysAllow');
      assert.deepEqual(at(budget, 'spec', 'selector', 'matchLabels'), SELECTOR);
      assert.ok(at(podOf(objects), 'affinity', 'podAntiAffinity'));
    },
  },
  'scaled by its CPU it names no number of replicas': {
    values: { dashboard: { auth: { mode: 'token' }, autoscaling: { enabled: true, maxReplicas: 3 } } },
    want: (objects) => {
      assert.ok(!('replicas' in (deploymentOf(objects).spec as object)));
      const scaler = find(objects, 'HorizontalPodAutoscaler', NAME);
      assert.deepEqual(at(scaler, 'spec', 'scaleTargetRef'), {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: NAME,
      });
      assert.deepEqual([at(scaler, 'spec', 'minReplicas'), at(scaler, 'spec', 'maxReplicas')], [2, 3]);
      assert.equal(at(scaler, 'spec', 'metrics', 0, 'resource', 'target', 'averageUtilization'), 70);
      find(objects, 'PodDisruptionBudget', NAME);
    },
  },
  'scaled from one Pod on it has no budget, which would block a drain': {
    values: { dashboard: { auth: { mode: 'token' }, autoscaling: { enabled: true, minReplicas: 1 } } },
    want: (objects) => assert.ok(!namesOf(objects).some((name) => name.startsWith('PodDisruptionBudget'))),
  },
  'each watched namespace lets it read, its own does not unless it is one of them': {
    values: { watchNamespaces: ['a', 'b'] },
    want: (objects) => {
      assert.equal(argsOf(objects)[0], '--namespaces=a,b');
      assert.deepEqual(
        ours(objects).filter((name) => name.startsWith('Role ')),
        [`Role a/${NAME}`, `Role b/${NAME}`],
      );
      const binding = find(objects, 'RoleBinding', NAME, 'b');
      assert.deepEqual(binding.subjects, [{ kind: 'ServiceAccount', name: NAME, namespace: 'cnn-sweep' }]);
    },
  },
  'all namespaces mean a ClusterRole of the same rights': {
    values: { watchNamespaces: ['*'] },
    want: (objects) => {
      assert.equal(argsOf(objects)[0], '--namespaces=*');
      assert.deepEqual(rightsOf(find(objects, 'ClusterRole', `${NAME}.cnn-sweep`)), READS);
      find(objects, 'ClusterRoleBinding', `${NAME}.cnn-sweep`);
      assert.ok(!ours(objects).some((name) => name.startsWith('Role ')));
    },
  },
  'what browsers tell can be left out': {
    values: { dashboard: { faro: { enabled: false } } },
    want: (objects) => assert.ok(argsOf(objects).includes('--no-faro')),
  },
  'what browsers tell goes on to Alloy, with a key': {
    values: {
      ...NO_NATS,
      dashboard: { faro: { forwardUrl: 'http://alloy.monitoring:12347/collect', existingSecret: 'alloy' } },
    },
    want: (objects) => {
      assert.deepEqual(
        argsOf(objects).filter((arg) => arg.includes('faro')),
        ['--faro-forward-url=http://alloy.monitoring:12347/collect', '--faro-key-file=/etc/cnn-sweep/faro/api-key'],
      );
      const volume = { name: 'faro', secret: { secretName: 'alloy' } };
      assert.deepEqual(listAt(podOf(objects), 'volumes')[1], volume);
      const mount = { name: 'faro', mountPath: '/etc/cnn-sweep/faro', readOnly: true };
      assert.deepEqual(listAt(containerOf(objects), 'volumeMounts')[1], mount);
      assert.deepEqual(listAt(policyOf(objects), 'spec', 'egress').at(-1), {
        ports: [{ port: 12347, protocol: 'TCP' }],
      });
    },
  },
  'an address without a port is let through by its scheme’s': {
    values: { ...NO_NATS, dashboard: { faro: { forwardUrl: 'https://alloy.test/collect' } } },
    want: (objects) => {
      const egress = listAt(policyOf(objects), 'spec', 'egress').at(-1);
      assert.deepEqual(egress, { ports: [{ port: 443, protocol: 'TCP' }] });
    },
  },
  'who scrapes reaches its metrics, and not its page': {
    values: { networkPolicy: { scrapeFrom: PEERS, ingressFrom: PEERS } },
    want: (objects) => {
      const rules = listAt(policyOf(objects), 'spec', 'ingress');
      assert.equal(rules.length, 1, 'its page is nobody’s with loopback');
      assert.deepEqual(listAt(rules[0], 'from')[1], PEERS[0]);
      assert.deepEqual(at(rules[0], 'ports'), [{ port: 9090, protocol: 'TCP' }]);
    },
  },
  'what it is given reaches its Pods, and its selector stays': {
    values: {
      dashboard: {
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ key: 'a', operator: 'Exists' }],
        affinity: { nodeAffinity: {} },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' }],
        priorityClassName: 'high',
        podLabels: { team: 'a', 'app.kubernetes.io/component': 'not-ours' },
        podAnnotations: { note: 'b' },
        extraEnv: [{ name: 'HTTPS_PROXY', value: 'http://proxy.test' }],
        extraArgs: ['--no-faro'],
        resources: { limits: { memory: '1Gi' } },
        serviceAccount: { annotations: { role: 'c' } },
      },
    },
    want: (objects) => {
      const template = at(deploymentOf(objects), 'spec', 'template');
      assert.equal(at(template, 'spec', 'nodeSelector', 'disk'), 'ssd');
      assert.equal(at(template, 'spec', 'tolerations', 0, 'key'), 'a');
      assert.deepEqual(at(template, 'spec', 'affinity'), { nodeAffinity: {} });
      assert.equal(at(template, 'spec', 'topologySpreadConstraints', 0, 'topologyKey'), 'zone');
      assert.equal(at(template, 'spec', 'priorityClassName'), 'high');
      assert.equal(at(template, 'metadata', 'labels', 'team'), 'a');
      assert.equal(at(template, 'metadata', 'labels', 'app.kubernetes.io/component'), 'dashboard');
      assert.deepEqual(at(template, 'metadata', 'annotations'), { note: 'b' });
      assert.equal(at(template, 'spec', 'containers', 0, 'env', 0, 'name'), 'HTTPS_PROXY');
      assert.equal(at(template, 'spec', 'containers', 0, 'resources', 'limits', 'memory'), '1Gi');
      assert.equal(argsOf(objects).at(-1), '--no-faro');
      assert.deepEqual(find(objects, 'ServiceAccount', NAME).metadata.annotations, { role: 'c' });
    },
  },
  'an account of one’s own': {
    values: { rbac: { create: false }, dashboard: { serviceAccount: { create: false, name: 'mine' } } },
    want: (objects) => {
      assert.equal(at(podOf(objects), 'serviceAccountName'), 'mine');
      assert.ok(!ours(objects).some((name) => /^(ServiceAccount|Role|RoleBinding) /.test(name)));
    },
  },
};

suite('the dashboard in the chart, rendered by Helm', { skip: SKIP }, () => {
  const shown = new Map<string, readonly Rendered[]>();
  for (const [sentence, { values, want }] of Object.entries(CASES)) {
    test(sentence, async () => {
      const [first, second] = [await render(values, { program: 'helm' }), await render(values, { program: 'helm4' })];
      want(first);
      const alike = (objects: readonly Rendered[]) =>
        objects.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'dashboard');
      assert.deepEqual(alike(second), alike(first), 'Helm 3 and 4 differ');
      if (alike(first).length > 0) shown.set(sentence, first);
    });
  }

  suite('whatever the values', () => {
    test('the dashboard takes its arguments', () => {
      for (const [sentence, objects] of shown) {
        const { port, opsPort } = parseFlags(argsOf(objects));
        assert.deepEqual([port, opsPort], [8080, 9090], sentence);
      }
    });

    test('its selectors are the same, and find its Pods', () => {
      assert.ok(shown.size > 10, `${shown.size}`);
      for (const [sentence, objects] of shown) {
        const deployment = deploymentOf(objects);
        assert.deepEqual(at(deployment, 'spec', 'selector', 'matchLabels'), SELECTOR, sentence);
        assert.deepEqual(at(policyOf(objects), 'spec', 'podSelector', 'matchLabels'), SELECTOR, sentence);
        for (const service of objects.filter(({ kind }) => kind === 'Service'))
          if (service.metadata.name.startsWith(NAME))
            assert.deepEqual(at(service, 'spec', 'selector'), SELECTOR, sentence);
        const labels = at(deployment, 'spec', 'template', 'metadata', 'labels');
        for (const [key, value] of Object.entries(SELECTOR)) assert.equal(at(labels, key), value, sentence);
      }
    });
  });
});

const ALONE =
  'with dashboard\\.auth\\.mode "loopback" nobody reaches the page but by kubectl port-forward; set that to token or proxy';

/** Values that cannot be meant, and words that the person who gave them reads. */
const REFUSED: Readonly<Record<string, { values: Values; want: RegExp }>> = {
  'a mode that nobody knows': { values: { auth: { mode: 'none' } }, want: /auth.mode[\s\S]*(one of|enum)/i },
  'a key that nobody knows': { values: { auth: { kind: 'token' } }, want: /additional propert\w+ '?kind/i },
  'an Ingress to a loopback': {
    values: { ingress: { enabled: true, host: 'sweeps.test' } },
    want: new RegExp(`dashboard\\.ingress\\.enabled: ${ALONE}`),
  },
  'two replicas of which each listens to itself': {
    values: { replicas: 2 },
    want: new RegExp(`dashboard\\.replicas: 2: ${ALONE}`),
  },
  'replicas by load of which each listens to itself': {
    values: { autoscaling: { enabled: true } },
    want: new RegExp(`dashboard\\.autoscaling\\.enabled: ${ALONE}`),
  },
  'a load balancer before a loopback': {
    values: { service: { type: 'LoadBalancer' } },
    want: new RegExp(`dashboard\\.service\\.type: LoadBalancer: ${ALONE}`),
  },
  'a proxy without certificates': {
    values: { auth: { mode: 'proxy' } },
    want: /dashboard\.tls\.existingSecret: missing; a proxy is believed over mTLS only: a Secret with the keys tls\.crt, tls\.key, and ca\.crt/,
  },
  'an Ingress without a host': {
    values: { auth: { mode: 'token' }, ingress: { enabled: true } },
    want: /dashboard\.ingress\.host: missing; the page needs a host of its own/,
  },
  'a certificate for no Ingress': {
    values: { auth: { mode: 'token' }, ingress: { tlsSecret: 'a' } },
    want: /dashboard\.ingress\.tlsSecret: set, but dashboard\.ingress\.enabled is off/,
  },
  'an Ingress that nobody lets in': {
    values: { auth: { mode: 'token' }, ingress: { enabled: true, host: 'sweeps.test' } },
    want: /networkPolicy\.ingressFrom: empty, so that nobody may reach the page; name the ingress controller's namespace/,
  },
  'less at most than at least': {
    values: { auth: { mode: 'token' }, autoscaling: { enabled: true, minReplicas: 4, maxReplicas: 3 } },
    want: /dashboard\.autoscaling\.minReplicas: 4: more than maxReplicas, 3/,
  },
  'replicas by a share of nothing': {
    values: { auth: { mode: 'token' }, autoscaling: { enabled: true }, resources: { requests: { cpu: null } } },
    want: /dashboard\.resources\.requests\.cpu: missing; dashboard\.autoscaling goes by the share of it that is used/,
  },
  'to forward what is not collected': {
    values: { faro: { enabled: false, forwardUrl: 'http://alloy:12347/collect' } },
    want: /dashboard\.faro\.forwardUrl: set, but dashboard\.faro\.enabled is off: there is nothing to forward/,
  },
  'a key for nobody': {
    values: { faro: { existingSecret: 'a' } },
    want: /dashboard\.faro\.forwardUrl: missing; dashboard\.faro\.existingSecret is the key for it/,
  },
  'an address without a scheme': { values: { faro: { forwardUrl: 'alloy:12347' } }, want: /faro.forwardUrl/ },
  'an address with a password': {
    values: { faro: { forwardUrl: 'http://a:b@alloy/collect' } },
    want: /faro.forwardUrl/,
  },
  'a ServiceAccount that is neither made nor named': {
    values: { serviceAccount: { create: false } },
    want: /dashboard\.serviceAccount\.name: missing; with create: false name one that exists/,
  },
};

suite('values of the dashboard that are refused', { skip: SKIP }, () => {
  for (const [what, { values, want }] of Object.entries(REFUSED)) {
    test(what, async () => {
      for (const program of HELMS) await assert.rejects(render({ dashboard: values }, { program }), want, program);
    });
  }
});

suite('the notes after an installation', { skip: SKIP }, () => {
  const notes = async (dashboard: Values, others: Values = {}) => {
    const values = valuesArgs({ dashboard, ...others });
    const said = await helm('helm4', ['install', 'ours', CHART, '--namespace=home', '--dry-run=client', ...values]);
    return said.split('NOTES:\n')[1] ?? '';
  };
  const token = { auth: { mode: 'token' } };

  test('say how to reach the page, and what keeps others from it', async () => {
    const said = await notes({});
    assert.match(said, /on http:\/\/127\.0\.0\.1:8080:\n\n {2}kubectl port-forward --namespace home deployment\/ours-/);
    assert.match(said, /dashboard\.auth\.mode +the page is for those who may port-forward/);
    assert.doesNotMatch(said, /\n\n\n/);
  });

  test('name the page’s host', async () => {
    const ingress = { enabled: true, host: 'sweeps.test', tlsSecret: 'a' };
    const said = await notes({ ...token, ingress }, { networkPolicy: { ingressFrom: PEERS } });
    assert.match(said, /https:\/\/sweeps\.test\n/);
    assert.match(said, /kubectl create token \S+ --namespace home --audience cnn-sweep/);
    assert.doesNotMatch(said, /WARNING|port-forward --namespace home deployment\/\S+-dashboard/);
  });

  for (const [sentence, values] of Object.entries({
    'an Ingress': { ingress: { enabled: true, host: 'sweeps.test' } },
    'a load balancer': { service: { type: 'LoadBalancer' } },
  })) {
    test(`warn of tokens that go through ${sentence} as text`, async () => {
      const said = await notes({ ...token, ...values }, { networkPolicy: { ingressFrom: PEERS } });
      assert.match(said, /WARNING: neither dashboard\.ingress\.tlsSecret nor dashboard\.tls\.existingSecret is set/);
      const tls = await notes(
        { ...token, ...values, tls: { existingSecret: 'a' } },
        { networkPolicy: { ingressFrom: PEERS } },
      );
      assert.doesNotMatch(tls, /WARNING/);
    });
  }

  test('say that nobody is let in', async () => {
    assert.match(await notes(token), /networkPolicy\.ingressFrom is empty: nobody reaches the page/);
    assert.doesNotMatch(await notes(token, { networkPolicy: { ingressFrom: PEERS } }), /ingressFrom/);
  });

  test('say what is off', async () => {
    const off = await notes({ enabled: false });
    assert.match(off, /dashboard\.enabled +no page/);
    assert.doesNotMatch(off, /8080|\n\n\n/);
    assert.match(await notes({ faro: { enabled: false } }), /dashboard\.faro\.enabled +errors and loading times/);
  });
});
