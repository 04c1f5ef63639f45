import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { MAX_MESSAGE, MAX_STATUS_BYTES, type SweepStatus } from '../../src/sweep/status.ts';
import { changed } from '../bad-input.ts';
import { type Answer, complaints, SWEEPS, startApi } from './api.ts';

const api = await startApi();
after(() => api.close());
const { kubectl, apply } = api.cluster;

const ROOT = path.join(import.meta.dirname, '..', '..');

const STATUS: SweepStatus = {
  phase: 'Running',
  observedGeneration: 1,
  trials: { total: 10, waiting: 3, running: 2, succeeded: 4, failed: 1, stopped: 0 },
  best: {
    trial: 2,
    network: '(12,32) relu max depth 1',
    epoch: 12,
    parameterCount: 18_554,
    validationLoss: 1.034,
    loss: '1.034 ± 0.012',
    validationLossStandardError: 0.012,
    validationAccuracy: 0.65,
    gap: 0.1,
    rise: 0.04,
    finding: 'Healthy',
  },
  message: '4 of 10 trials are recorded',
  conditions: [
    {
      type: 'Progressing',
      status: 'True',
      reason: 'TrialsRunning',
      message: '2 trials are running',
      observedGeneration: 1,
      lastTransitionTime: '2026-01-01T00:00:00Z',
    },
  ],
};

/** As the controller writes it: server-side apply. */
function applyStatus(status: unknown): Promise<Answer> {
  const body = { apiVersion: 'cnn-sweep.dev/v1alpha1', kind: 'Sweep', metadata: { name: 'study' }, status };
  const query = 'fieldManager=test&force=true';
  return api.request('PATCH', `${SWEEPS}/study/status?${query}`, body, 'application/apply-patch+yaml');
}

before(async () => {
  const { status } = await api.request('POST', SWEEPS, changed({}));
  assert.equal(status, 201);
});

describe('kubectl explain', () => {
  const cases: Record<string, string> = {
    sweep: 'One search over a grid of convolutional networks.',
    'sweep.spec.grid': 'A list of grids: their union, equal points merged. 1 to 64 items.',
    'sweep.spec.grid.activation': 'What follows each convolution: relu, or none for a linear network.',
    'sweep.spec.training.epochs': 'Passes over the training images. An integer from 1 to 1000. Default: 15.',
    'sweep.spec.training': 'Step size of SGD. Above 0, at most 10. Default: 0.001.',
    'sweep.spec.trainer.resources.limits': 'Limits of the trainer container; absent: nvidia.com/gpu: 1.',
    'sweep.status.best': 'The best trial that does not overfit, of those that are recorded.',
    'trialresultslice.records': 'Which try at the trial this was, from 1.',
    'trialresultslice.records.summary.best': 'Mean loss on the validation set, in nats.',
  };
  for (const [field, sentence] of Object.entries(cases))
    test(`of ${field} says: ${sentence}`, async () => {
      const text = (await kubectl('explain', field)).replace(/\s+/g, ' ');
      assert.ok(text.includes(sentence), text);
    });

  test('says of every field of both kinds what it is', async () => {
    for (const kind of ['sweep', 'trialresultslice'])
      assert.doesNotMatch(await kubectl('explain', kind, '--recursive'), /no description/);
    for (const field of ['sweep.spec.trainer', 'sweep.status.conditions', 'trs.records', 'trs.records.hyperparameters'])
      assert.doesNotMatch(await kubectl('explain', field), /no description/);
  });
});

describe('kubectl get', () => {
  test('shows where a sweep stands, by its short name', async () => {
    assert.equal((await applyStatus(STATUS)).status, 200);
    const [head = '', row = ''] = (await kubectl('get', 'sw')).split('\n');
    assert.deepEqual(
      head.split(/ {2,}/).map((cell) => cell.trim()),
      ['NAME', 'PHASE', 'TRIALS', 'RUNNING', 'SUCCEEDED', 'FAILED', 'BEST', 'VALIDATION LOSS', 'AGE'],
    );
    assert.match(row, /^study +Running +10 +2 +4 +1 +\(12,32\) relu max depth 1 +1\.034 ± 0\.012 +\d+s/);
  });

  test('shows whose results a slice holds', async () => {
    const slice = {
      apiVersion: 'cnn-sweep.dev/v1alpha1',
      kind: 'TrialResultSlice',
      metadata: { name: 'study-012345-s0' },
      slice: 0,
      sweep: 'study',
      records: [],
    };
    await apply(JSON.stringify(slice));
    assert.match(await kubectl('get', 'trs'), /^NAME +SWEEP +SLICE +AGE\nstudy-012345-s0 +study +0 +\d+s/);
  });

  test('finds both kinds by the name of the project', async () => {
    const names = await kubectl('get', 'cnn-sweep', '-o', 'name');
    assert.match(names, /^sweep\.cnn-sweep\.dev\/study$/m);
    assert.match(names, /^trialresultslice\.cnn-sweep\.dev\//m);
  });
});

test('the recipe of docs/dashboard.md makes a token that is good for the dashboard, of one who lists Sweeps and nothing else', async () => {
  const guide = await readFile(path.join(ROOT, 'docs/dashboard.md'), 'utf8');
  const [, recipe = ''] = /```sh\n(kubectl create serviceaccount[\s\S]*?)```/.exec(guide) ?? [];
  await kubectl('create', 'namespace', 'team-a');
  let token = '';
  for (const line of recipe.trim().split('\n')) token = await kubectl(...line.split(' ').slice(1));
  const spec = { token: token.trim(), audiences: ['cnn-sweep'] };
  const review = await api.request('POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec });
  const { authenticated, user } = review.body.status as { authenticated?: boolean; user: { username: string } };
  assert.ok(authenticated, JSON.stringify(review.body));
  const may = (verb: string, what: string, namespace: string) =>
    kubectl('auth', 'can-i', verb, what, '--namespace', namespace, '--as', user.username).then(
      (said) => said.trim(),
      () => 'no',
    );
  assert.equal(await may('list', 'sweeps.cnn-sweep.dev', 'team-a'), 'yes');
  assert.equal(await may('list', 'sweeps.cnn-sweep.dev', 'default'), 'no');
  assert.equal(await may('create', 'sweeps.cnn-sweep.dev', 'team-a'), 'no');
  assert.equal(await may('list', 'secrets', 'team-a'), 'no');
});

describe('kubectl apply', () => {
  for (const file of ['k8s/sweep.yaml', 'k8s/samples/quick.yaml'])
    test(`accepts ${file}`, async () => {
      await kubectl('create', '--dry-run=server', '-n', 'kube-public', '-f', path.join(ROOT, file));
    });

  test('names an unknown field', async () => {
    const sweep = changed({ 'metadata.name': 'other', 'spec.paralelism': 2 });
    await assert.rejects(apply(JSON.stringify(sweep), '--dry-run=server'), /unknown field "spec.paralelism"/);
  });

  test('says in our words what never changes, with nothing around it', async () => {
    const sweep = changed({ 'spec.grid[0].depth': [1, 2] });
    await assert.rejects(apply(JSON.stringify(sweep)), /spec\.grid: Forbidden: immutable; create a new Sweep\n/);
  });
});

describe('a status', () => {
  const message = '界'.repeat(MAX_MESSAGE / 3);
  const cases: Record<string, { status: unknown; want: readonly string[] }> = {
    'is accepted while nothing has run': {
      status: {
        phase: 'Pending',
        observedGeneration: 1,
        trials: { total: 0, waiting: 0, running: 0, succeeded: 0, failed: 0, stopped: 0 },
        message: '',
        conditions: [],
      },
      want: [],
    },
    'is accepted with a reason of a newer controller': {
      status: { ...STATUS, conditions: [{ ...STATUS.conditions[0], reason: 'SomethingNew' }] },
      want: [],
    },
    'is accepted at its largest': {
      status: {
        ...STATUS,
        message,
        conditions: ['Accepted', 'Progressing', 'Degraded', 'Complete', 'Failed'].map((type) => ({
          ...STATUS.conditions[0],
          type,
          message,
        })),
      },
      want: [],
    },
    'is refused with a reason that is a sentence': {
      status: { ...STATUS, conditions: [{ ...STATUS.conditions[0], reason: 'it failed' }] },
      want: ['status.conditions[0].reason'],
    },
    'is refused with more trials than a sweep can have': {
      status: { ...STATUS, trials: { ...STATUS.trials, total: 100_001 } },
      want: ['status.trials.total'],
    },
    'is refused in a phase that is none': { status: { ...STATUS, phase: 'Done' }, want: ['status.phase'] },
  };
  for (const [sentence, { status, want }] of Object.entries(cases))
    test(sentence, async () => {
      const answer = await applyStatus(status);
      assert.deepEqual(
        complaints(answer).map(({ field }) => field),
        want,
        answer.body.message,
      );
      assert.equal(answer.status, want.length === 0 ? 200 : 422);
      if (want.length === 0) assert.ok(JSON.stringify(answer.body.status).length <= MAX_STATUS_BYTES);
    });

  test('changes no spec, and a change of the spec no status', async () => {
    const before_ = await applyStatus(STATUS);
    const spec = { suspend: true, parallelism: 7 };
    const { body } = await api.request('PATCH', `${SWEEPS}/study/status`, { spec }, 'application/merge-patch+json');
    assert.deepEqual(body.spec, before_.body.spec);
    const patch = { spec, status: { phase: 'Failed' } };
    const after_ = await api.request('PATCH', `${SWEEPS}/study`, patch, 'application/merge-patch+json');
    assert.deepEqual(after_.body.status, before_.body.status);
  });

  test('has one condition of a type', async () => {
    const status = { ...STATUS, conditions: [STATUS.conditions[0], STATUS.conditions[0]] };
    const { body } = await api.request('GET', `${SWEEPS}/study`);
    const answer = await api.request('PUT', `${SWEEPS}/study/status`, { ...body, status });
    assert.deepEqual(complaints(answer), [
      { field: 'status.conditions[1]', message: 'Duplicate value: {"type":"Progressing"}' },
    ]);
  });
});
