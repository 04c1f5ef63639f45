import { readFile } from 'node:fs/promises';
import { Agent, fetch } from 'undici';
import { buildFiles } from '../../k8s/generate.ts';
import { type Cluster, startControlPlane } from '../cluster/cluster.ts';
import { established } from '../cluster/established.ts';

/** What the API server says to one request. */
export interface Answer {
  readonly status: number;
  readonly body: KubernetesAnswer;
}

interface KubernetesAnswer {
  readonly message?: string;
  readonly metadata?: { readonly name?: string; readonly resourceVersion?: string };
  readonly details?: { readonly causes?: readonly { readonly field?: string; readonly message?: string }[] };
  readonly [field: string]: unknown;
}

/** A real API server that serves our kinds. */
export interface Api {
  readonly cluster: Cluster;
  request(method: string, path: string, body?: unknown, contentType?: string): Promise<Answer>;
  close(): Promise<void>;
}

const IN_DEFAULT = '/apis/cnn-sweep.dev/v1alpha1/namespaces/default';
export const SWEEPS = `${IN_DEFAULT}/sweeps`;
export const SLICES = `${IN_DEFAULT}/trialresultslices`;

/** Starts an API server and waits until it serves the generated kinds. */
export async function startApi(): Promise<Api> {
  const cluster = await startControlPlane();
  try {
    for (const crd of buildFiles().values()) await cluster.apply(crd, '--server-side');
    await established(cluster);
    return await connect(cluster);
  } catch (error) {
    await cluster.stop();
    throw error;
  }
}

/** As the administrator of the cluster's kubeconfig, which is JSON. */
async function connect(cluster: Cluster): Promise<Api> {
  const config = JSON.parse(await readFile(cluster.kubeconfig, 'utf8'));
  const { server, 'certificate-authority': authority, 'tls-server-name': servername } = config.clusters[0].cluster;
  const { token } = config.users[0].user;
  const dispatcher = new Agent({ connect: { ca: await readFile(authority, 'utf8'), servername } });
  return {
    cluster,
    async request(method, path, body, contentType = 'application/json') {
      const response = await fetch(`${server}${path}`, {
        method,
        dispatcher,
        headers: { authorization: `Bearer ${token}`, 'content-type': contentType },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: (await response.json()) as KubernetesAnswer };
    },
    async close() {
      await dispatcher.destroy();
      await cluster.stop();
    },
  };
}

/** `field: message` of each complaint, the message without the field, the value and the word for the fault: our own words. */
export function complaints({ body }: Answer): { field: string; message: string }[] {
  const causes = body.details?.causes ?? [];
  // What was not looked at because of another complaint is none.
  return causes
    .filter(({ field }) => field !== '<nil>')
    .map(({ field = '', message = '' }) => ({
      field,
      message: message.replace(/^(Forbidden|Invalid value: "object"): /, ''),
    }));
}

/** A path as the API server writes it: the key of a mapping stands behind a dot, whatever is in it. */
export function asServerPath(path: string): string {
  return path.replace(/\["([^"]+)"\]/g, '.$1');
}
