import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubernetesObject } from '../../src/shared/objects.ts';
import { decodeWatchEvent } from '../../src/shared/watch-event.ts';

const identity = { name: 'a', namespace: 'default', uid: 'u-1', resourceVersion: '7' };
const managedFields = [
  { manager: 'kwok', operation: 'Update', fieldsV1: { 'f:spec': { 'k:{"name":"a"}': { '.': {} } } } },
  { manager: 'x', subresource: 'status' },
];
/** What stands where, as somebody could have written it to be cut at the wrong place. */
const trap = 'a text with ,"managedFields":[ and ]},"spec": in it';

/** In the order in which the API server writes them: metadata first, managedFields last of it, except of a custom resource. */
const objects: Record<string, { readonly object: object; readonly kept?: object }> = {
  'a Pod': {
    object: {
      kind: 'Pod',
      metadata: { ...identity, managedFields },
      spec: { nodeName: 'n' },
      status: { message: trap },
    },
    kept: { kind: 'Pod', metadata: identity, spec: { nodeName: 'n' }, status: { message: trap } },
  },
  'a Job whose template bears them too': {
    object: {
      metadata: { ...identity, annotations: { trap }, managedFields },
      spec: { suspend: true, template: { metadata: { labels: { a: 'b' }, managedFields }, spec: { containers: [] } } },
    },
    kept: {
      metadata: { ...identity, annotations: { trap } },
      spec: { suspend: true, template: { metadata: { labels: { a: 'b' }, managedFields }, spec: { containers: [] } } },
    },
  },
  'a Job whose template alone bears them': {
    object: {
      metadata: identity,
      spec: { template: { metadata: { labels: { a: 'b' }, managedFields }, spec: { containers: [] } } },
    },
    kept: { metadata: identity, spec: { template: { metadata: { labels: { a: 'b' } }, spec: { containers: [] } } } },
  },
  'an object without them': { object: { metadata: { ...identity, annotations: { trap } }, spec: { a: [1] } } },
  'a Sweep': {
    object: { metadata: { creationTimestamp: 't', managedFields, ...identity }, spec: { grid: [{ widths: [[3]] }] } },
  },
  'a slice': {
    object: {
      metadata: { creationTimestamp: 't', managedFields, ...identity },
      records: [{ reason: trap }],
      sweep: 's',
    },
  },
};

for (const [name, { object, kept = object }] of Object.entries(objects)) {
  test(`${name} is decoded as it was written, but for managedFields`, () => {
    const event = decodeWatchEvent<KubernetesObject>(JSON.stringify({ type: 'MODIFIED', object }));
    assert.deepEqual(event, { type: 'MODIFIED', object: kept, version: 7n });
  });
}

test('what is no event is an error', () => {
  const line = (type: string, object: object) => JSON.stringify({ type, object });
  const invalid = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
  assert.throws(() => decodeWatchEvent(line('ERROR', invalid)), /too old resource version/);
  assert.throws(() => decodeWatchEvent(line('RENAMED', { metadata: identity })), /a watch event "RENAMED"/);
  assert.throws(() => decodeWatchEvent(line('ADDED', { metadata: { resourceVersion: '7' } })), /without name or UID/);
  assert.throws(() => decodeWatchEvent(line('ADDED', { metadata: { ...identity, resourceVersion: '' } })), TypeError);
  assert.throws(() => decodeWatchEvent('{"type":"ADDED","object":{"metadata":'), SyntaxError);
});
