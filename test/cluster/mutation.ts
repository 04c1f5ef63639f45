import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { makeCertificates } from '../shared/certificates.ts';

/** Somebody else's webhook, at an address of this machine, that changes every Job. */
export interface Mutation {
  /** The object that has the API server ask it before a Job of that namespace is created. */
  configurationFor(namespace: string): object;
  close(): Promise<void>;
}

/** @param step of a JSON patch, done to each Job */
export async function openMutation(step: object): Promise<Mutation> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-webhook-'));
  await makeCertificates(folder);
  const read = (name: string) => readFile(path.join(folder, name));
  const patch = Buffer.from(JSON.stringify([step])).toString('base64');
  const server = createServer(
    { cert: await read('tls.crt'), key: await read('tls.key') },
    async (request, response) => {
      const {
        apiVersion,
        kind,
        request: asked,
      } = (await json(request)) as {
        apiVersion: string;
        kind: string;
        request: { uid: string };
      };
      const answer = { uid: asked.uid, allowed: true, patchType: 'JSONPatch', patch };
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ apiVersion, kind, response: answer }));
    },
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const caBundle = (await read('ca.crt')).toString('base64');
  return {
    configurationFor: (namespace) => ({
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'others' },
      webhooks: [
        {
          name: 'jobs.others.example',
          clientConfig: { url: `https://localhost:${port}/`, caBundle },
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
          rules: [{ operations: ['CREATE'], apiGroups: ['batch'], apiVersions: ['v1'], resources: ['jobs'] }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
        },
      ],
    }),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}
