import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildAssignment, decodeAssignment, encodeAssignment } from '../../src/sweep/assignment.ts';
import { expandTrials } from '../../src/sweep/trial.ts';
import { makeGrid, makeStudy, makeSweep, makeTraining } from './builders.ts';

test('the assignment of every trial of the study decodes to what was encoded', () => {
  const sweep = makeStudy();
  for (const trial of expandTrials(sweep)) {
    const assignment = buildAssignment(sweep, trial, { attempt: 1, attemptUID: 'first' });
    assert.deepEqual(decodeAssignment(encodeAssignment(assignment)), assignment);
    assert.equal(assignment.hyperparametersHash, trial.hyperparametersHash);
  }
});

test('the split is made by the seed of the sweep, whatever the seed of the trial', () => {
  const sweep = makeSweep({
    grid: [makeGrid({ seed: [1, 2] })],
    training: makeTraining({ seed: 7, trainingExamples: 100 }),
  });
  const assignments = expandTrials(sweep).map((trial) =>
    buildAssignment(sweep, trial, { attempt: 2, attemptUID: 'u' }),
  );
  assert.deepEqual(
    assignments.map(({ training, hyperparameters }) => [
      training.splitSeed,
      training.trainingExamples,
      hyperparameters.seed,
    ]),
    [
      [7, 100, 1],
      [7, 100, 2],
    ],
  );
});

test('the backend is the sweep’s unless the attempt has its own', () => {
  const sweep = makeStudy();
  const [trial] = expandTrials(sweep);
  assert.ok(trial);
  const backends = [undefined, 'wasm' as const].map(
    (backend) => buildAssignment(sweep, trial, { attempt: 1, attemptUID: 'u', backend }).backend,
  );
  assert.deepEqual(backends, ['auto', 'wasm']);
});

test('an assignment with an unknown hyperparameter is refused', () => {
  const sweep = makeStudy();
  const [trial] = expandTrials(sweep);
  assert.ok(trial);
  const assignment = buildAssignment(sweep, trial, { attempt: 1, attemptUID: 'u' });
  const text = JSON.stringify({ ...assignment, hyperparameters: { ...assignment.hyperparameters, dropout: 0.5 } });
  assert.throws(() => decodeAssignment(text), { message: 'hyperparameters: unknown field "dropout"' });
});
