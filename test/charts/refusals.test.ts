import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { parse } from 'yaml';
import { CHART, HELMS, render, SKIP, sorted, type Values } from './helm.ts';

/** Values that cannot be meant, and words that the person who gave them reads. */
const REFUSED: Readonly<Record<string, { values: Values; want: RegExp }>> = {
  'a key that nobody knows': { values: { replicas: 2 }, want: /additional propert\w+ '?replicas/i },
  'a key in a component that nobody knows': {
    values: { controller: { replica: 2 } },
    want: /controller[\s\S]*additional propert\w+ '?replica/i,
  },
  'text for a number': { values: { controller: { replicas: 'two' } }, want: /controller.replicas[\s\S]*integer/i },
  'a digest without its algorithm': { values: { image: { digest: 'abc' } }, want: /image.digest[\s\S]*sha256/ },
  'a registry with a scheme': {
    values: { global: { imageRegistry: 'https://registry.test' } },
    want: /global.imageRegistry/,
  },
  'a namespace with a capital': { values: { watchNamespaces: ['Team'] }, want: /watchNamespaces/ },
  'a namespace twice': { values: { watchNamespaces: ['a', 'a'] }, want: /watchNamespaces[\s\S]*(unique|equal)/i },
  'resources taken away': { values: { controller: { resources: null } }, want: /controller[\s\S]*resources/ },
  'all namespaces and one': {
    values: { watchNamespaces: ['*', 'a'] },
    want: /watchNamespaces: "\*" means all namespaces; name no other beside it/,
  },
  'two controllers without a lease': {
    values: { controller: { replicas: 2, leaderElection: { enabled: false } } },
    want: /controller\.replicas: 2: more than one needs controller\.leaderElection\.enabled/,
  },
  'a ServiceAccount that is neither made nor named': {
    values: { controller: { serviceAccount: { create: false } } },
    want: /controller\.serviceAccount\.name: missing; with create: false name one that exists/,
  },
  'a ServiceAccount of NATS likewise': {
    values: { nats: { serviceAccount: { create: false } } },
    want: /nats\.serviceAccount\.name: missing; with create: false name one that exists/,
  },
  'our NATS and another': {
    values: { nats: { external: { url: 'tls://nats.test', existingSecret: 'a' } } },
    want: /nats: enabled, and nats\.external\.url is set; one of the two/,
  },
  'a NATS of one’s own without passwords': {
    values: { nats: { enabled: false, external: { url: 'tls://nats.test' } } },
    want: /nats\.external\.existingSecret: missing; a Secret with the keys controller and dashboard/,
  },
  'passwords for a NATS that is nowhere': {
    values: { nats: { enabled: false, external: { existingSecret: 'a' } } },
    want: /nats\.external\.url: missing/,
  },
  'TLS with a url that says plain text': {
    values: { nats: { enabled: false, external: { url: 'nats://nats.test', existingSecret: 'a' } } },
    want: /nats\.external\.url: nats:\/\/nats\.test: nats\.external\.tls is on/,
  },
  'plain text with a url that says TLS': {
    values: { nats: { enabled: false, external: { url: 'tls://nats.test', tls: false, existingSecret: 'a' } } },
    want: /nats\.external\.url: tls:\/\/nats\.test: nats\.external\.tls is off/,
  },
  'a NATS server without a scheme': {
    values: { nats: { enabled: false, external: { url: 'nats.test:4222', existingSecret: 'a' } } },
    want: /nats.external.url/,
  },
  'a volume without a unit': { values: { nats: { persistence: { size: '10' } } }, want: /nats.persistence.size/ },
  'streams that the volume has no room for': {
    values: { nats: { streams: { maxBytes: '8Gi' }, persistence: { size: '17Gi' } } },
    want: /nats\.streams\.maxBytes: 8Gi: two streams of that size do not fit into nine tenths of nats\.persistence\.size, 17Gi/,
  },
  'streams without a unit': { values: { nats: { streams: { maxBytes: '8' } } }, want: /nats.streams.maxBytes/ },
  'both monitors': {
    values: { metrics: { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } } },
    want: /metrics: serviceMonitor and podMonitor are both enabled; every series would be scraped twice/,
  },
  'a monitor that nobody lets in': {
    values: { metrics: { podMonitor: { enabled: true } } },
    want: /networkPolicy\.scrapeFrom: empty, so that nobody may scrape/,
  },
};

suite('values that are refused', { skip: SKIP }, () => {
  for (const [what, { values, want }] of Object.entries(REFUSED)) {
    test(what, async () => {
      for (const program of HELMS) await assert.rejects(render(values, { program }), want, program);
    });
  }
});

interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

test('the schema and values.yaml name the same keys, and each of them is required', async () => {
  const root = JSON.parse(await readFile(path.join(CHART, 'values.schema.json'), 'utf8')) as Schema;
  const resolve = (schema: Schema): Schema =>
    schema.$ref ? (root.definitions?.[schema.$ref.replace('#/definitions/', '')] ?? {}) : schema;
  const different: string[] = [];
  const compare = (given: Schema, value: unknown, where: string) => {
    const schema = resolve(given);
    // A mapping without named keys is passed through.
    if (!schema.properties || !schema.required || typeof value !== 'object' || value === null) return;
    const [inSchema, inValues] = [sorted(Object.keys(schema.properties)), sorted(Object.keys(value))];
    if (String(inSchema) !== String(inValues)) different.push(`${where}: ${inSchema} / ${inValues}`);
    if (String(inSchema) !== String(sorted(schema.required))) different.push(`${where}: not all required`);
    if (where !== '.global' && schema.additionalProperties !== false) different.push(`${where}: open`);
    for (const [key, inner] of Object.entries(value)) compare(schema.properties[key] ?? {}, inner, `${where}.${key}`);
  };
  compare(root, parse(await readFile(path.join(CHART, 'values.yaml'), 'utf8')), '');
  assert.deepEqual(different, []);
});
