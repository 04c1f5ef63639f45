import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { at, containersOf, listAt, podsOf, type Rendered, render, SKIP, type Values } from './helm.ts';

/** What is wrong with the objects, in words. */
type Check = (objects: readonly Rendered[]) => readonly string[];

/** A check of each container, and of its Pod. */
function eachContainer(wrong: (container: unknown, pod: unknown) => boolean): Check {
  return (objects) =>
    podsOf(objects)
      .filter(({ pod }) => containersOf(pod).some((container) => wrong(container, pod)))
      .map(({ name }) => name);
}

function eachRule(wrong: (rule: unknown) => boolean): Check {
  return (objects) =>
    objects
      .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
      .filter((role) => listAt(role, 'rules').some(wrong))
      .map(({ metadata: { name } }) => name);
}

const isSubset = (some: unknown, all: unknown) =>
  Object.entries((some ?? {}) as object).every(([key, value]) => at(all, key) === value);
const isLong = (object: Rendered) => object.kind === 'Deployment' || object.kind === 'StatefulSet';
const VOLUMES = ['emptyDir', 'configMap', 'secret', 'projected', 'persistentVolumeClaim'];
const has = (rule: unknown, field: string, ...words: string[]) =>
  listAt(rule, field).some((each) => words.includes(String(each)));
const portsOf = (pod: unknown) => listAt(pod, 'containers').flatMap((each) => listAt(each, 'ports'));

/** What kube-linter checks by default, and what the Pod security level `restricted` asks for, as far as it concerns us. */
const CHECKS: Readonly<Record<string, Check>> = {
  'an image has a version, and it is not latest': eachContainer(
    (each) => !/(:(?!latest).+|@sha256:.+)$/.test(`${at(each, 'image')}`),
  ),
  'the root file system is read-only': eachContainer(
    (each) => at(each, 'securityContext', 'readOnlyRootFilesystem') !== true,
  ),
  'nobody is root, by number': eachContainer(
    (_, pod) =>
      at(pod, 'securityContext', 'runAsNonRoot') !== true ||
      Number(at(pod, 'securityContext', 'runAsUser') ?? 0) < 10_000,
  ),
  'no privileges, and none to gain': eachContainer(
    (each) =>
      at(each, 'securityContext', 'privileged') !== undefined ||
      at(each, 'securityContext', 'allowPrivilegeEscalation') !== false,
  ),
  'all capabilities are dropped, none is added': eachContainer(
    (each) => JSON.stringify(at(each, 'securityContext', 'capabilities')) !== '{"drop":["ALL"]}',
  ),
  'the system calls are filtered': eachContainer(
    (_, pod) => at(pod, 'securityContext', 'seccompProfile', 'type') !== 'RuntimeDefault',
  ),
  'nothing of the host is shared': eachContainer(
    (_, pod) =>
      ['hostNetwork', 'hostPID', 'hostIPC'].some((key) => at(pod, key) !== undefined) ||
      listAt(pod, 'volumes').some((each) => !VOLUMES.some((kind) => at(each, kind) !== undefined)),
  ),
  'CPU and memory are requested and limited': eachContainer((each) =>
    ['requests', 'limits'].some(
      (kind) => !at(each, 'resources', kind, 'cpu') || !at(each, 'resources', kind, 'memory'),
    ),
  ),
  'what runs on has probes, on a port that it has': (objects) =>
    podsOf(objects.filter(isLong))
      .filter(({ pod }) =>
        ['livenessProbe', 'readinessProbe', 'startupProbe'].some((probe) => {
          const port = at(pod, 'containers', 0, probe, 'httpGet', 'port');
          return !portsOf(pod).some((each) => at(each, 'name') === port);
        }),
      )
      .map(({ name }) => name),
  'a ServiceAccount of one’s own, which exists': (objects) => {
    const accounts = objects.filter(({ kind }) => kind === 'ServiceAccount').map(({ metadata }) => metadata.name);
    return podsOf(objects)
      .filter(({ pod }) => !accounts.includes(String(at(pod, 'serviceAccountName'))))
      .map(({ name }) => name);
  },
  'a ServiceAccount gives its token to nobody by itself': (objects) =>
    objects
      .filter((each) => each.kind === 'ServiceAccount' && each.automountServiceAccountToken !== false)
      .map(({ metadata }) => metadata.name),
  'no environment variable stands twice, or comes from a secret': eachContainer((each) => {
    const names = listAt(each, 'env').map((variable) => at(variable, 'name'));
    return new Set(names).size < names.length || JSON.stringify(listAt(each, 'env')).includes('secretKeyRef');
  }),
  'a Service, a budget and a network policy of ours find a Pod': (objects) =>
    objects
      .filter(
        ({ kind, metadata }) =>
          /^(Service|PodDisruptionBudget)$/.test(kind) ||
          /-(controller|dashboard|nats|test)$/.test(`${kind === 'NetworkPolicy' && metadata.name}`),
      )
      .filter((each) => {
        const selector =
          each.kind === 'Service'
            ? at(each, 'spec', 'selector')
            : (at(each, 'spec', 'selector', 'matchLabels') ?? at(each, 'spec', 'podSelector', 'matchLabels'));
        return !podsOf(objects).some(({ labels }) => isSubset(selector, labels));
      })
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`),
  'a Service leads to a port that there is': (objects) =>
    objects
      .filter(({ kind }) => kind === 'Service')
      .filter((service) =>
        listAt(service, 'spec', 'ports').some(
          (port) =>
            !podsOf(objects).some(({ pod }) =>
              portsOf(pod).some((each) => at(each, 'name') === at(port, 'targetPort')),
            ),
        ),
      )
      .map(({ metadata }) => metadata.name),
  'more than one replica: on different nodes, and with a budget': (objects) =>
    objects
      .filter((each) => isLong(each) && Number(at(each, 'spec', 'replicas')) > 1)
      .filter(
        (each) =>
          !at(each, 'spec', 'template', 'spec', 'affinity', 'podAntiAffinity') ||
          !objects.some(({ kind }) => kind === 'PodDisruptionBudget'),
      )
      .map(({ metadata }) => metadata.name),
  'no right on everything': eachRule((rule) =>
    ['apiGroups', 'resources', 'verbs'].some((field) => has(rule, field, '*')),
  ),
  'no right on secrets, config maps or a shell in a Pod': eachRule((rule) =>
    has(rule, 'resources', 'secrets', 'configmaps', 'pods/exec', 'pods/attach', 'serviceaccounts/token'),
  ),
  'no right to become somebody else, or to give rights': eachRule((rule) =>
    has(rule, 'verbs', 'escalate', 'bind', 'impersonate'),
  ),
  'nobody creates Pods past their Jobs': eachRule(
    (rule) => has(rule, 'resources', 'pods') && has(rule, 'verbs', 'create', 'update', 'patch', 'delete'),
  ),
  'every object bears the labels that people look for': (objects) =>
    objects
      .filter(({ metadata: { labels } }) =>
        ['name', 'instance', 'component', 'version', 'part-of'].some((key) => !labels?.[`app.kubernetes.io/${key}`]),
      )
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`),
  'every object that has a namespace names it': (objects) =>
    objects
      .filter(
        ({ kind, metadata }) =>
          !/^(ClusterRole|ClusterRoleBinding|CustomResourceDefinition|ValidatingAdmission.*)$/.test(kind) &&
          !metadata.namespace,
      )
      .map(({ kind, metadata }) => `${kind} ${metadata.name}`),
};

const VALUES: Readonly<Record<string, Values>> = {
  'the defaults': {},
  'two replicas in all namespaces, with Kueue and a test that trains': {
    controller: { replicas: 2 },
    watchNamespaces: ['*'],
    kueue: { enabled: true },
    tests: { sweep: true },
  },
  'two dashboards behind a proxy and an Ingress, which forward what browsers tell': {
    dashboard: {
      replicas: 2,
      auth: { mode: 'proxy' },
      tls: { existingSecret: 'page-tls' },
      ingress: { enabled: true, host: 'sweeps.test' },
      faro: { forwardUrl: 'https://alloy.test/collect', existingSecret: 'alloy' },
    },
    networkPolicy: { ingressFrom: [{ podSelector: {} }] },
  },
};

suite('what is checked of every cluster’s manifests', { skip: SKIP }, async () => {
  for (const [which, values] of Object.entries(VALUES)) {
    suite(which, async () => {
      for (const [sentence, check] of Object.entries(CHECKS)) {
        test(sentence, async () => assert.deepEqual(check(await rendered(values)), []));
      }
    });
  }

  test('each check can fail', async () => {
    const silent: string[] = [];
    for (const [sentence, check] of Object.entries(CHECKS)) {
      if (check(spoil(await rendered({ controller: { replicas: 2 } }))).length === 0) silent.push(sentence);
    }
    assert.deepEqual(silent, []);
  });
});

const cache = new Map<string, Promise<Rendered[]>>();
function rendered(values: Values): Promise<Rendered[]> {
  const key = JSON.stringify(values);
  const objects = cache.get(key) ?? render(values);
  cache.set(key, objects);
  return objects;
}

/** Objects with every mistake that is looked for. */
function spoil(objects: readonly Rendered[]): Rendered[] {
  const pod = {
    hostNetwork: true,
    serviceAccountName: 'nobody',
    containers: [
      {
        image: 'x:latest',
        securityContext: { privileged: true },
        env: [{ name: 'A' }, { name: 'A' }],
        livenessProbe: { httpGet: { port: 'nowhere' } },
      },
    ],
  };
  return objects.map((object) => {
    const metadata = { name: object.metadata.name };
    switch (object.kind) {
      case 'Deployment':
      case 'StatefulSet':
        return { ...object, metadata, spec: { replicas: 2, template: { metadata: { labels: {} }, spec: pod } } };
      case 'Pod':
        return { ...object, metadata, spec: pod };
      case 'Role':
        return {
          ...object,
          metadata,
          rules: [
            { apiGroups: ['*'], resources: ['secrets'], verbs: ['impersonate'] },
            { apiGroups: [''], resources: ['pods'], verbs: ['create'] },
          ],
        };
      case 'ServiceAccount':
        return { ...object, metadata, automountServiceAccountToken: true };
      default:
        return { ...object, metadata };
    }
  });
}
