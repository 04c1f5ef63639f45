import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Measurement } from '../../src/sweep/measurement.ts';
import { decodeResult, encodeResult, MAX_RESULT_BYTES } from '../../src/sweep/result.ts';
import { type Backend, openBackend } from '../../src/trainer/backend.ts';
import { evaluate } from '../../src/trainer/evaluate.ts';
import { type Images, runTrial } from '../../src/trainer/run.ts';
import { splitTrainingSet } from '../../src/trainer/split.ts';
import type { Sequential } from '../../src/trainer/tf.ts';
import { makeSmallDisk } from '../local/folders.ts';
import { type Changes, makeAssignment, makeExamples, makeImages } from './builders.ts';

let backend: Backend;
let folder: string;
before(async () => {
  backend = await openBackend('wasm', { warn: assert.fail });
  folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-run-'));
});
after(() => rm(folder, { recursive: true }));

// Every fourth label is wrong, so that what is learnt by heart does not hold for others and the loss turns.
const images: Images = {
  training: makeImages({ count: 120, side: 28, mislabelled: 4 }),
  test: makeImages({ count: 50, side: 28, mislabelled: 4, seed: 99 }),
};

const overfitting: Changes = {
  hyperparameters: { widths: [8], pooling: 'none', learningRate: 0.03, batchSize: 4 },
  training: { dataset: 'mnist', epochs: 8, validationFraction: 0.5 },
};

let runs = 0;
async function run(changes: Changes, of: Images = images, modelFolder = join(folder, `model-${runs++}`)) {
  const measurements: Measurement[] = [];
  const assignment = makeAssignment(changes);
  const result = await runTrial(assignment, {
    backend,
    images: of,
    modelFolder,
    pulse: () => undefined,
    onMeasurement: (measurement) => measurements.push(measurement),
    now: () => performance.now(),
  });
  return { assignment, result, measurements, modelFolder };
}

/** A saved model, as anyone would load it. */
async function load(modelFolder: string): Promise<Sequential> {
  const { tf } = backend;
  const { modelTopology, weightsManifest } = JSON.parse(await readFile(join(modelFolder, 'model.json'), 'utf8'));
  const [{ paths, weights: weightSpecs }] = weightsManifest;
  const bytes = await readFile(join(modelFolder, paths[0]));
  const weightData = new Uint8Array(bytes).buffer;
  return (await tf.loadLayersModel({ load: async () => ({ modelTopology, weightSpecs, weightData }) })) as Sequential;
}

async function validationOf(model: Sequential, { training }: ReturnType<typeof makeAssignment>) {
  const { splitSeed: seed, validationFraction } = training;
  const { validation } = splitTrainingSet(images.training.labels, { seed, validationFraction });
  return evaluate(backend.tf, model, { set: images.training, indices: validation });
}

/** A data set that nobody may look at. */
const sealed = new Proxy(images.test, {
  get: (_, property) => assert.fail(`the test set was opened: ${String(property)}`),
});

describe('a trial', () => {
  test('reports every epoch under its own address, and one result that is small and decodes', async () => {
    const { assignment, result, measurements } = await run(overfitting);
    assert.deepEqual(
      measurements.map(({ sweep, trial, attempt, attemptUID, epoch }) => [sweep, trial, attempt, attemptUID, epoch]),
      [1, 2, 3, 4, 5, 6, 7, 8].map((epoch) => ['study', 7, 1, 'first', epoch]),
    );
    const text = encodeResult(result);
    assert.ok(Buffer.byteLength(text) <= MAX_RESULT_BYTES);
    assert.deepEqual(decodeResult(text), result);
    const { trial, attempt, attemptUID, outcome, reason, hyperparametersHash, parameterCount, backend: used } = result;
    assert.deepEqual(
      { trial, attempt, attemptUID, outcome, reason, hyperparametersHash, parameterCount, used },
      {
        trial: assignment.trial,
        attempt: assignment.attempt,
        attemptUID: assignment.attemptUID,
        outcome: 'Succeeded',
        reason: '',
        hyperparametersHash: assignment.hyperparametersHash,
        parameterCount: 25 * 8 + 8 + 24 * 24 * 8 * 10 + 10,
        used: 'wasm',
      },
    );
    assert.equal(result.summary?.complete, true);
    assert.ok(result.seconds > 0);
  });

  for (const checkpoint of ['BestEpoch', 'LastEpoch'] as const) {
    test(`with ${checkpoint} saves the weights of the epoch that it names, and tests those`, async () => {
      const { assignment, result, modelFolder } = await run({ ...overfitting, checkpoint });
      const { best, last } = result.summary ?? assert.fail();
      assert.ok(best && last && best.epoch < last.epoch, 'the example does not turn');
      const model = await load(modelFolder);
      const kept = checkpoint === 'BestEpoch' ? best : last;
      assert.equal((await validationOf(model, assignment)).loss, kept.validationLoss);
      const { loss, accuracy } = await evaluate(backend.tf, model, makeExamples(images.test));
      assert.deepEqual(result.test, { loss, accuracy });
      model.dispose();
    });
  }

  test('is saved under the same names, byte for byte, whatever the process has trained before', async () => {
    const [a, b] = [await run(overfitting), await run(overfitting)];
    for (const file of ['model.json', 'weights.bin']) {
      assert.deepEqual(await readFile(join(a.modelFolder, file)), await readFile(join(b.modelFolder, file)), file);
    }
  });

  test('measures validation on images that it does not train on, and the split is not of its own seed', async () => {
    const seeds = [
      await run(overfitting),
      await run({ ...overfitting, hyperparameters: { ...overfitting.hyperparameters, seed: 3 } }),
    ];
    for (const { assignment, result, modelFolder } of seeds) {
      const model = await load(modelFolder);
      assert.equal((await validationOf(model, assignment)).loss, result.summary?.last?.validationLoss);
      model.dispose();
    }
  });

  test('whose weights do not fit on the disk succeeds without a model, says why, and leaves nothing half-written', async (context) => {
    const disk = await makeSmallDisk(context, 64);
    if (disk === undefined) return;
    const { result } = await run(overfitting, images, join(disk, 'models/0-uid'));
    assert.deepEqual([result.outcome, result.reason], ['Succeeded', 'ModelNotSaved: ENOSPC']);
    assert.deepEqual(result.test, (await run(overfitting)).result.test);
    assert.deepEqual(await readdir(join(disk, 'models')), []);
  });

  const failing: Record<string, { onModel?: () => void; save?: () => never; want: RegExp }> = {
    'whose model cannot be made into files': {
      save: () => {
        throw new RangeError('Array buffer allocation failed');
      },
      onModel: () => assert.fail('there is no model'),
      want: /^ModelNotSaved: Array buffer allocation failed$/,
    },
    'whose model nobody takes': {
      onModel: () => {
        throw new Error('the thread is gone');
      },
      want: /^ModelNotSaved: the thread is gone$/,
    },
    'of which no model is wanted': { save: () => assert.fail('a model was made'), want: /^$/ },
  };
  for (const [which, { onModel, save, want }] of Object.entries(failing)) {
    test(`${which} keeps its result`, async () => {
      const tf = save ? { ...backend.tf, io: { ...backend.tf.io, withSaveHandler: save } } : backend.tf;
      const result = await runTrial(
        makeAssignment({ ...overfitting, training: { ...overfitting.training, epochs: 1 } }),
        {
          backend: { ...backend, tf },
          images,
          pulse: () => undefined,
          onMeasurement: () => undefined,
          onModel,
          now: () => 0,
        },
      );
      assert.equal(result.outcome, 'Succeeded');
      assert.match(result.reason, want);
      assert.ok(result.test);
    });
  }

  test('trains on no more images than it is told', async () => {
    const few = { ...overfitting, training: { ...overfitting.training, trainingExamples: 10, epochs: 1 } };
    const steps = new Set<number>();
    await runTrial(makeAssignment(few), {
      backend,
      images,
      pulse: ({ steps: of, examples }) => {
        steps.add(of);
        assert.ok(examples <= 10);
        return undefined;
      },
      onMeasurement: () => undefined,
      now: () => 0,
    });
    assert.deepEqual(steps, new Set([3, 0])); // 0: the batches of the test set
  });

  test('leaves no tensor behind', async () => {
    const tensors = backend.tf.memory().numTensors;
    await run(overfitting);
    assert.equal(backend.tf.memory().numTensors, tensors);
  });

  test('opens no test set before its last epoch is reported', async () => {
    let opened = 0;
    const watched = new Proxy(images.test, {
      get: (set, property) => {
        opened++;
        return Reflect.get(set, property);
      },
    });
    await runTrial(makeAssignment(overfitting), {
      backend,
      images: { ...images, test: watched },
      pulse: () => undefined,
      onMeasurement: () => assert.equal(opened, 0),
      now: () => 0,
    });
    assert.ok(opened > 0);
  });
});

describe('a trial that diverges', () => {
  for (const checkpoint of ['BestEpoch', 'LastEpoch'] as const) {
    test(`with ${checkpoint} is a result without a model, and opens no test set`, async () => {
      const changes = {
        ...overfitting,
        checkpoint,
        hyperparameters: { ...overfitting.hyperparameters, activation: 'none' as const, learningRate: 10 },
      };
      const { result, measurements, modelFolder } = await run(changes, { ...images, test: sealed });
      assert.equal(result.outcome, 'Succeeded');
      assert.match(result.reason, /^Diverged: /);
      assert.equal(result.summary?.diverged, true);
      assert.equal(result.test, null);
      assert.equal(existsSync(modelFolder), false);
      assert.equal(measurements.at(-1)?.validationLoss, null);
      assert.deepEqual(decodeResult(encodeResult(result)), result);
    });
  }
});
