import { openCluster } from '../shared/calls.ts';
import { type ForwardedPort, forwardPort, namespaceOf, openWire, readKubeConfig } from '../shared/cluster.ts';
import { PODS } from '../shared/kinds.ts';
import type { Pod } from '../shared/objects.ts';
import { InvalidConfigError, SweepError } from '../sweep/errors.ts';

export interface DashboardOptions {
  /** Its address; absent: a port of its Pod is forwarded. */
  readonly dashboard?: string;
  /** Where its Pod is; absent: the namespace of the kubeconfig's context. */
  readonly releaseNamespace?: string;
}

const SELECTOR = 'app.kubernetes.io/name=cnn-sweep,app.kubernetes.io/component=dashboard';
const PORT = 8080;

/** The way to the cluster's dashboard. @param note told why a connection to its Pod failed
 * @throws SweepError if no Pod of it is ready, naming the namespace; InvalidConfigError if the ready one serves TLS
 */
export async function findDashboard(
  { dashboard, releaseNamespace }: DashboardOptions,
  note: (line: string) => void,
): Promise<ForwardedPort> {
  if (dashboard !== undefined) return { url: dashboard.replace(/\/+$/, ''), close: async () => undefined };
  const namespace = releaseNamespace ?? namespaceOf(readKubeConfig()) ?? 'default';
  const wire = openWire();
  try {
    const { items } = await openCluster(wire).list(PODS, { namespace, labelSelector: SELECTOR });
    const pod = items.find(({ status }) => status?.conditions?.some(isReady));
    if (pod) {
      if (servesTls(pod)) {
        const why = 'serves TLS, with a certificate for its own name and not for a forwarded port';
        throw new InvalidConfigError(
          `Pod ${namespace}/${pod.metadata.name} ${why}: give --dashboard https://<its name>`,
        );
      }
      const where = { namespace, pod: pod.metadata.name, port: PORT };
      return await forwardPort(where, (error) => note(`port-forward to ${where.pod}: ${error.message}`));
    }
  } finally {
    await wire.close();
  }
  throw new SweepError(
    'NotFound',
    `no dashboard is ready in namespace "${namespace}": give --release-namespace, or --dashboard and its address`,
  );
}

/** As the chart names the port of its page (_dashboard.tpl). */
export function servesTls({ spec }: Pick<Pod, 'spec'>): boolean {
  return spec?.containers?.some(({ ports }) => ports?.some(({ name }) => name === 'https')) ?? false;
}

function isReady({ type, status }: { readonly type: string; readonly status: string }): boolean {
  return type === 'Ready' && status === 'True';
}
