import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CalloutFacts,
  type CalloutRefusal,
  decideCallout,
  permissionsOf,
  type TokenReview,
} from '../../src/controller/callout.ts';
import type { KubernetesObject, OwnerReference, Pod } from '../../src/shared/objects.ts';
import { makeClusterSweep, makeJob, makePod, makeSweepObject, OTHER_UID, SWEEP_UID } from './builders.ts';

const RULES = { audience: 'nats', serviceAccountName: 'cnn-sweep-trainer', namespaces: ['team'] };
const job = makeJob(makeClusterSweep(), 3, { attempt: 2 });
const pod = makePod(job, { uid: 'pod-uid', name: 'study-0f1e2d-3-r2-abcde', state: { running: {} } });
const review: TokenReview = {
  authenticated: true,
  audiences: ['nats'],
  username: 'system:serviceaccount:team:cnn-sweep-trainer',
  podName: pod.metadata.name,
  podUID: pod.metadata.uid,
  error: undefined,
};
const FACTS: CalloutFacts = { review, pod, job, sweep: makeSweepObject() };

const owned = <T extends KubernetesObject>(object: T, owner: Partial<OwnerReference> | undefined): T => ({
  ...object,
  metadata: {
    ...object.metadata,
    ownerReferences: owner ? (object.metadata.ownerReferences ?? []).map((each) => ({ ...each, ...owner })) : [],
  },
});
const phase = (phase: string): Pod => ({ ...pod, status: { ...pod.status, phase } });
const deleting = makeSweepObject();

test('the Pod of a trial is admitted, to what is its own and nothing else', () => {
  const decision = decideCallout(FACTS, RULES);
  assert.equal(decision.kind, 'admitted');
  const name = Buffer.from(`${SWEEP_UID}/3/pod-uid`).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
  assert.deepEqual(decision.kind === 'admitted' && permissionsOf(decision.who), {
    publish: [
      `cs.v1.${SWEEP_UID}.3.pod-uid.epoch`,
      `cs.v1.${SWEEP_UID}.3.pod-uid.progress`,
      '$O.CNN_SWEEP_MODELS.C.pod-uid',
      `$O.CNN_SWEEP_MODELS.M.${name}`,
    ],
    subscribe: ['_INBOX_pod-uid.>'],
  });
});

const ADMITTED: Readonly<Record<string, Partial<CalloutFacts>>> = {
  'a Pod that is being ended may say its last words': {
    pod: makePod(job, { uid: 'pod-uid', state: { running: {} }, deleting: true }),
  },
  'a Pod whose container has not run yet': { pod: phase('Pending') },
  'a Sweep that was changed': { sweep: makeSweepObject(5, { parallelism: 1 }) },
};
for (const [sentence, facts] of Object.entries(ADMITTED))
  test(`admitted: ${sentence}`, () => assert.equal(decideCallout({ ...FACTS, ...facts }, RULES).kind, 'admitted'));

const REFUSED: Readonly<
  Record<string, { facts?: Partial<CalloutFacts>; review?: Partial<TokenReview>; want: CalloutRefusal }>
> = {
  'a token that the API server refuses': {
    review: { authenticated: false, error: 'token expired' },
    want: 'TokenRejected',
  },
  'a token for the API server': { review: { audiences: ['https://kubernetes.default.svc'] }, want: 'WrongAudience' },
  'a person': { review: { username: 'alice' }, want: 'ForeignServiceAccount' },
  'another ServiceAccount of the namespace': {
    review: { username: 'system:serviceaccount:team:default' },
    want: 'ForeignServiceAccount',
  },
  'a namespace that sounds like a ServiceAccount': {
    review: { username: 'system:serviceaccount:a:b:cnn-sweep-trainer' },
    want: 'ForeignServiceAccount',
  },
  'a token that somebody asked for by hand': {
    review: { podName: undefined, podUID: undefined },
    want: 'NotBoundToPod',
  },
  'a namespace that is not watched': {
    review: { username: 'system:serviceaccount:other:cnn-sweep-trainer' },
    want: 'NamespaceNotWatched',
  },
  'a Pod that is gone': { facts: { pod: undefined }, want: 'PodGone' },
  'a Pod that was created again under the name': { review: { podUID: 'older' }, want: 'PodGone' },
  'a Pod that has ended well': { facts: { pod: phase('Succeeded') }, want: 'PodOver' },
  'a Pod that has failed': { facts: { pod: phase('Failed') }, want: 'PodOver' },
  'a Pod of no Job': { facts: { pod: owned(pod, undefined), job: undefined }, want: 'NoTrial' },
  'a Pod that names a Job without being controlled by it': {
    facts: { pod: owned(pod, { controller: false }) },
    want: 'NoTrial',
  },
  'a Pod of a Job that was created again': { facts: { pod: owned(pod, { uid: 'older' }) }, want: 'NoTrial' },
  'a Pod of a Job of nobody': { facts: { job: owned(job, undefined), sweep: undefined }, want: 'NoTrial' },
  'a Pod of a Job of something else': { facts: { job: owned(job, { kind: 'CronJob' }) }, want: 'NoTrial' },
  'a Sweep that is gone': { facts: { sweep: undefined }, want: 'SweepGone' },
  'a Sweep that was created again': { facts: { job: owned(job, { uid: OTHER_UID }) }, want: 'SweepGone' },
  'a Sweep that is being deleted': {
    facts: { sweep: { ...deleting, metadata: { ...deleting.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } } },
    want: 'SweepGone',
  },
  'a Job of the Sweep that has not a name of ours': {
    facts: { job: { ...job, metadata: { ...job.metadata, name: 'mine' } } },
    want: 'NoTrial',
  },
  'a Pod whose UID would be a wildcard': {
    facts: { pod: { ...pod, metadata: { ...pod.metadata, uid: '*.>' } } },
    review: { podUID: '*.>' },
    want: 'NoTrial',
  },
};
for (const [sentence, { facts, review: changes, want }] of Object.entries(REFUSED))
  test(`refused: ${sentence}`, () => {
    const decision = decideCallout({ ...FACTS, ...facts, review: { ...review, ...changes } }, RULES);
    assert.equal(decision.kind === 'refused' && decision.reason, want);
  });

test('who watches all namespaces admits from any', () => {
  const elsewhere = { ...review, username: 'system:serviceaccount:other:cnn-sweep-trainer' };
  const rules = { ...RULES, namespaces: undefined };
  assert.equal(decideCallout({ ...FACTS, review: elsewhere }, rules).kind, 'admitted');
});
