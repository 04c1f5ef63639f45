// Writes the chart's copies of the kinds, and k8s/cnn-sweep.yaml from the chart's defaults: `node k8s/manifests.ts`.
// A test proves that they are up to date. Needs helm: it is built once if it is not in the cache of the test cluster.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { type Document, isMap, parseAllDocuments, type YAMLMap } from 'yaml';
import { buildPrograms, programPath } from '../test/cluster/programs.ts';

const HERE = import.meta.dirname;
export const CHART = path.join(HERE, '..', 'charts');
/** Where the plain manifests install: release and namespace are called alike. */
const RELEASE = 'cnn-sweep';

const CRD_NOTE = '{{- /* Written by k8s/manifests.ts from k8s/crds; do not edit. */ -}}\n';
const PLAIN_NOTE = `# Written by k8s/manifests.ts: the Helm chart with its defaults, for kubectl apply. Do not edit.
# The Sweeps of namespace ${RELEASE} are run; for other namespaces, replicas or registries use the chart.
# NATS waits for two Secrets, which no file in public can hold: sh k8s/nats-secrets.sh
`;

/** The namespace of the plain manifests: nothing in it may be more than `restricted`. */
const NAMESPACE = `apiVersion: v1
kind: Namespace
metadata:
  name: ${RELEASE}
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
`;

/** What only Helm means something by. */
const HELMS_OWN = [
  ['metadata', 'labels', 'helm.sh/chart'],
  ['metadata', 'labels', 'app.kubernetes.io/managed-by'],
  ['metadata', 'annotations', 'helm.sh/resource-policy'],
];

/** Path → content of the chart's template of each kind. */
export async function buildCrdTemplates(): Promise<ReadonlyMap<string, string>> {
  const files = (await readdir(path.join(HERE, 'crds'))).filter((name) => name.endsWith('.yaml'));
  const templates = files.map(
    async (name): Promise<[string, string]> => [
      path.join(CHART, 'templates', 'crds', name),
      buildCrdTemplate(await readFile(path.join(HERE, 'crds', name), 'utf8')),
    ],
  );
  return new Map(await Promise.all(templates));
}

/** A CRD as a template: with switches, labels, and nothing in it that Helm would take for its own. Pure. */
export function buildCrdTemplate(crd: string): string {
  const text = crd
    .replace(/^#.*\n/gm, '')
    .replaceAll('{{', '{{ "{{" }}')
    .replace(
      /^metadata:\n {2}name: .*\n/m,
      (metadata) => `${metadata}  labels:
    {{- include "cnn-sweep.labels" (dict "root" . "component" "release") | nindent 4 }}
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
`,
    );
  return `${CRD_NOTE}{{- if .Values.crds.install }}\n${text}{{- end }}\n`;
}

/** The chart's defaults without what speaks of Helm. Pure.
 * @param rendered what `helm template` printed
 */
export function buildPlain(rendered: string): string {
  const documents = parseAllDocuments(rendered).filter((each): each is Document.Parsed => isMap(each.contents));
  const objects = documents.filter(({ contents }) => isMap(contents) && !isHook(contents));
  for (const object of objects) {
    for (const path of HELMS_OWN) if (object.hasIn(path)) object.deleteIn(path);
    object.commentBefore = null;
    if (isMap(object.contents)) object.contents.commentBefore = null;
  }
  const texts = objects.map(
    (object) => `${object.toString({ lineWidth: 120, directives: false, flowCollectionPadding: false }).trim()}\n`,
  );
  return PLAIN_NOTE + [NAMESPACE, ...texts].join('---\n');
}

function isHook(object: YAMLMap): boolean {
  return object.hasIn(['metadata', 'annotations', 'helm.sh/hook']);
}

/** Made by k8s/nats-secrets.sh, under the names that the chart gives its own. */
const SECRETS = ['auth', 'tls'].flatMap((what) => ['--set', `nats.${what}.existingSecret=${RELEASE}-nats-${what}`]);

/** What the plain manifests hold, from the chart as it is on the disk. */
export async function renderPlain(): Promise<string> {
  await buildPrograms(['helm']);
  // Helm reads nobody's configuration.
  const home = await mkdtemp('/tmp/cnn-sweep-helm-');
  try {
    const { stdout } = await promisify(execFile)(
      await programPath('helm'),
      ['template', RELEASE, CHART, '--namespace', RELEASE, '--kube-version', '1.34', ...SECRETS],
      { maxBuffer: 16 * 1024 * 1024, env: { HOME: home } },
    );
    return buildPlain(stdout);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export const PLAIN = path.join(HERE, 'cnn-sweep.yaml');

if (import.meta.main) {
  for (const [file, text] of await buildCrdTemplates()) await writeFile(file, text);
  await writeFile(PLAIN, await renderPlain());
}
