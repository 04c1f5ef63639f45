import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { type BackendName, backendEnvironment, nativeBindingFile } from '../../src/trainer/backend.ts';
import { nativeBinding, needsNative } from './native.ts';

const folder = mkdtempSync(join(tmpdir(), 'backend-'));
after(() => rmSync(folder, { recursive: true }));

/** What opening a backend came to, in a process of its own, since a process opens one. */
interface Outcome {
  readonly name?: BackendName;
  readonly description?: string;
  readonly error?: { readonly reason: string; readonly message: string };
  readonly warnings: readonly string[];
  /** Paths of the TensorFlow.js files that were loaded. */
  readonly loaded: readonly string[];
  /** What 20 steps of training came to, where it opened. */
  readonly weights?: readonly number[];
  readonly printed: string;
}

/** @param prelude statements that run first, to break something
 * @param postlude statements that run when the backend is open */
function open(wanted: BackendName | 'auto', { binding = '', prelude = '', postlude = '' } = {}): Outcome {
  const program = `
    import { createRequire } from 'node:module';
    import { openBackend } from '${import.meta.resolve('../../src/trainer/backend.ts')}';
    ${prelude}
    const warnings = [];
    const options = { ...(${JSON.stringify(binding)} && { nativeBinding: ${JSON.stringify(binding)} }), warn: (line) => warnings.push(line) };
    const answer = { warnings };
    try {
      const { tf, name, description } = await openBackend('${wanted}', options);
      Object.assign(answer, { name, description });
      if (description.includes('fake')) throw undefined;
      const x = tf.randomNormal([4, 12, 12, 3], 0, 1, 'float32', 1);
      const filter = tf.variable(tf.randomNormal([5, 5, 3, 4], 0, 1, 'float32', 2));
      const optimizer = tf.train.momentum(0.01, 0.9);
      for (let i = 0; i < 20; i++) {
        optimizer.minimize(() => tf.mean(tf.square(tf.maxPool(tf.relu(tf.conv2d(x, filter, 1, 'valid')), 2, 2, 'valid'))));
      }
      answer.weights = [...filter.dataSync()];
    } catch (error) {
      if (error) answer.error = { reason: error.reason, message: error.message };
    }
    ${postlude}
    answer.loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes('/@tensorflow/'));
    console.log('\\n' + JSON.stringify(answer));`;
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, ...backendEnvironment() },
  });
  assert.equal(status, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  const answer: Omit<Outcome, 'printed'> = JSON.parse(lines.at(-1) ?? '');
  return { ...answer, printed: lines.slice(0, -1).join('\n') + stderr };
}

/** A binding that says only on what it would compute. */
function fakeBinding(isUsingGpuDevice: boolean): string {
  const file = join(folder, `${isUsingGpuDevice ? 'gpu' : 'cpu'}.cjs`);
  writeFileSync(file, `module.exports = { TF_Version: 'fake', isUsingGpuDevice: () => ${isUsingGpuDevice} };`);
  return file;
}

const breakWasm = 'WebAssembly.validate = () => false;';
const broken = join(folder, 'broken.node');
writeFileSync(broken, 'not a library');

describe('a backend asked for by name', () => {
  test('wasm is WebAssembly with SIMD on one thread', () => {
    const { name, description } = open('wasm');
    assert.deepEqual({ name, description }, { name: 'wasm', description: 'WebAssembly with SIMD, 1 thread' });
  });

  test('wasm loads no native package', () => {
    const { loaded } = open('wasm', { binding: fakeBinding(false) });
    assert.deepEqual(
      loaded.filter((file) => !/tfjs-(core|layers|backend-wasm|backend-cpu)\//.test(file)),
      [],
    );
    assert.notEqual(loaded.length, 0);
  });

  for (const name of ['wasm', 'cpu'] as const) {
    test(`${name} prints nothing`, () => {
      const { printed, warnings } = open(name);
      assert.deepEqual({ printed, warnings }, { printed: '', warnings: [] });
    });
  }

  test('gpu is not what a binding without a GPU is called', () => {
    const { error } = open('gpu', { binding: fakeBinding(false) });
    assert.equal(error?.reason, 'InvalidConfig');
    assert.match(error.message, /^backend gpu: TensorFlow sees no GPU; .*make native WHEEL=/);
  });

  test('native is not what a binding on a GPU is called', () => {
    const { error } = open('native', { binding: fakeBinding(true) });
    assert.equal(error?.reason, 'InvalidConfig');
    assert.match(error.message, /^backend native: TensorFlow computes on a GPU here; .*CUDA_VISIBLE_DEVICES=-1/);
  });

  test('native that is not built says where it was looked for and what to run', () => {
    const { error } = open('native', { binding: '/nowhere/tfjs_binding.node' });
    assert.deepEqual(error, {
      reason: 'InvalidConfig',
      message: 'backend native: no compiled TensorFlow binding at /nowhere/tfjs_binding.node; run `make native`',
    });
  });

  test('native that does not load gives the reason', () => {
    const { error, warnings } = open('native', { binding: broken });
    assert.deepEqual(warnings, []);
    assert.equal(error?.reason, 'InvalidConfig');
    assert.match(error.message, /^backend native: .*broken\.node/);
  });

  test('wasm without SIMD says so', () => {
    const { error } = open('wasm', { prelude: breakWasm });
    assert.equal(error?.message, 'backend wasm: this Node or processor has no WebAssembly with SIMD');
  });
});

describe('auto', () => {
  const cases: Record<string, { binding?: string; prelude?: string; want: BackendName; warnings?: RegExp[] }> = {
    'takes the GPU where TensorFlow sees one': { binding: fakeBinding(true), want: 'gpu' },
    'takes TensorFlow on the CPU where it sees no GPU': { binding: fakeBinding(false), want: 'native' },
    'takes wasm where no binding is given': { want: 'wasm' },
    'takes wasm where nothing is built': { binding: '/nowhere/tfjs_binding.node', want: 'wasm' },
    'takes wasm, and says once why, where the binding does not load': {
      binding: broken,
      want: 'wasm',
      warnings: [/^backend gpu does not work here: .*broken\.node/],
    },
    'takes plain JavaScript last, and says why not the others': {
      binding: '/nowhere/tfjs_binding.node',
      prelude: breakWasm,
      want: 'cpu',
      warnings: [/^training in plain JavaScript.*: gpu, native: no compiled .*`make native`; wasm: .* no WebAssembly/],
    },
  };
  for (const [sentence, { want, warnings = [], ...setting }] of Object.entries(cases)) {
    test(sentence, () => {
      const outcome = open('auto', setting);
      assert.equal(outcome.name, want);
      assert.equal(outcome.warnings.length, warnings.length, outcome.warnings.join('\n'));
      for (const [i, warning] of warnings.entries()) assert.match(outcome.warnings[i] ?? '', warning);
    });
  }
});

test("a stray rejection is the program's own to record, also after wasm was opened", () => {
  const { printed } = open('wasm', {
    prelude: "process.on('unhandledRejection', (error) => console.log('recorded ' + error.message));",
    postlude: "Promise.reject(new Error('stray')); await new Promise(setImmediate);",
  });
  assert.match(printed, /^recorded stray/);
});

test('the environment gives TensorFlow one core, and hides GPUs from native only', () => {
  const { TF_NUM_INTRAOP_THREADS: intra, TF_NUM_INTEROP_THREADS: inter, ...others } = backendEnvironment();
  assert.deepEqual([intra, inter], ['1', '1']);
  assert.equal(others.CUDA_VISIBLE_DEVICES, undefined);
  assert.equal(backendEnvironment('native').CUDA_VISIBLE_DEVICES, '-1');
});

test('the binding lies in the cache folder, apart for each Node', () => {
  assert.match(
    nativeBindingFile('/cache'),
    new RegExp(`^/cache/native/.*node${process.versions.modules}.*/tfjs_binding\\.node$`),
  );
});

for (const [name, options] of Object.entries({ wasm: {}, native: needsNative })) {
  test(`${name}: the same training gives the same weights to the last digit`, options, () => {
    const first = open(name as BackendName, { binding: nativeBinding });
    assert.equal(first.name, name);
    assert.equal(first.weights?.length, 300);
    assert.deepEqual(open(name as BackendName, { binding: nativeBinding }).weights, first.weights);
  });
}

test('native is TensorFlow of the wheel that it was built against', needsNative, () => {
  const { name, description } = open('native', { binding: nativeBinding });
  assert.equal(name, 'native');
  assert.match(description ?? '', /^TensorFlow 2\.\d+\.\d+ on the CPU$/);
});
