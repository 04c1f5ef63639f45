import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { openBackend } from '../../src/trainer/backend.ts';
import type { NodeJSKernelBackend, Tensor4D, Tf } from '../../src/trainer/tf.ts';
import { nativeBinding, needsNative } from './native.ts';

type Shape = [number, number, number, number];
type Operation = (...inputs: Tensor4D[]) => Tensor4D;

let tf: Tf;
before(async () => {
  ({ tf } = await openBackend('cpu', { warn: assert.fail }));
});

const filters: Record<string, { input: Shape; filter: Shape }> = {
  'the first layer of the study': { input: [4, 32, 32, 3], filter: [5, 5, 3, 12] },
  'its second layer': { input: [2, 14, 14, 12], filter: [5, 5, 12, 32] },
  'a batch of one': { input: [1, 9, 9, 3], filter: [5, 5, 3, 4] },
  'one channel in': { input: [3, 8, 8, 1], filter: [3, 3, 1, 5] },
  'one channel out': { input: [3, 8, 8, 4], filter: [3, 3, 4, 1] },
  'one of everything': { input: [1, 3, 3, 1], filter: [2, 2, 1, 1] },
  'an input that is not square': { input: [2, 7, 11, 3], filter: [3, 3, 3, 2] },
  'a filter that is not square': { input: [2, 9, 8, 2], filter: [2, 5, 2, 3] },
  'a filter as large as the input': { input: [2, 5, 6, 3], filter: [5, 6, 3, 4] },
  'a filter of one position': { input: [2, 5, 5, 3], filter: [1, 1, 3, 4] },
};

const pools: Record<string, { input: Shape; size: number; stride: number; pad: 'valid' | 'same' }> = {
  'windows side by side': { input: [2, 8, 8, 3], size: 2, stride: 2, pad: 'valid' },
  'an odd input, whose last row and column no window meets': { input: [2, 7, 9, 3], size: 2, stride: 2, pad: 'valid' },
  'windows that overlap': { input: [2, 9, 7, 4], size: 3, stride: 2, pad: 'valid' },
  'windows with gaps': { input: [1, 9, 9, 2], size: 2, stride: 3, pad: 'valid' },
  'windows over the edge': { input: [2, 7, 7, 3], size: 3, stride: 2, pad: 'same' },
  'a batch of one with one channel': { input: [1, 4, 4, 1], size: 2, stride: 2, pad: 'valid' },
  'many windows over the edge': { input: [8, 29, 29, 12], size: 3, stride: 2, pad: 'same' },
  'a window as large as the input': { input: [2, 5, 5, 3], size: 5, stride: 5, pad: 'valid' },
  'the first layer of the study at batch size 8': { input: [8, 28, 28, 12], size: 2, stride: 2, pad: 'valid' },
};

const backends = {
  wasm: { options: {}, open: () => openBackend('wasm', { warn: assert.fail }), registered: 'wasm' },
  native: {
    options: needsNative,
    open: () => openBackend('native', { nativeBinding, warn: assert.fail }),
    registered: 'tensorflow',
  },
};

for (const [name, { options, open, registered }] of Object.entries(backends)) {
  describe(`gradients on ${name}`, options, () => {
    before(async () => {
      await open();
    });

    for (const [sentence, { input, filter }] of Object.entries(filters)) {
      test(`a convolution: ${sentence}`, async () => {
        const convolution: Operation = (x, f = x) => tf.conv2d(x, f, 1, 'valid');
        await assertSameGradients(registered, convolution, [normal(input, 1), normal(filter, 2)]);
      });
    }

    for (const [sentence, { input, size, stride, pad }] of Object.entries(pools)) {
      test(`max pooling: ${sentence}`, async () => {
        await assertSameGradients(registered, (x) => tf.maxPool(x, size, stride, pad), [normal(input, 1)]);
      });
    }

    test('max pooling: of equal inputs the first gets the gradient', async () => {
      const input = normal([8, 28, 28, 12], 1);
      const behindRelu = { ...input, values: input.values.map((value) => Math.max(0, value)) };
      await assertSameGradients(registered, (x) => tf.maxPool(x, 2, 2, 'valid'), [behindRelu]);
    });

    test('relu: nothing passes at and below zero', async () => {
      await assertSameGradients(registered, (x) => tf.relu(x), [
        { values: [-1, 0, 2, -0, 1e-30, -3], shape: [1, 1, 2, 3] },
      ]);
    });

    test('the gradients of convolution and pooling are the slopes of the outputs', async () => {
      await tf.setBackend(registered);
      const network: Operation = (x, f = x) => tf.maxPool(tf.conv2d(x, f, 1, 'valid'), 2, 2, 'valid');
      assertSlopes(network, [normal([2, 6, 7, 2], 3), normal([2, 3, 2, 3], 4)]);
    });

    test('no tensor and no memory of the backend is left behind', async () => {
      await tf.setBackend(registered);
      const network: Operation = (x, f = x) => tf.maxPool(tf.relu(tf.conv2d(x, f, 1, 'valid')), 2, 2, 'valid');
      const once = () => gradients(network, [normal([8, 32, 32, 3], 1), normal([5, 5, 3, 12], 2)]);
      once();
      const before = held();
      for (let i = 0; i < 3; i++) once();
      assert.deepEqual(held(), before);
    });

    test('a kernel leaves nothing but its result, also outside of tf.tidy', async () => {
      await tf.setBackend(registered);
      const [x, filter] = [tensor(normal([2, 8, 8, 3], 1)), tensor(normal([3, 3, 3, 4], 2))];
      const dy = tensor(normal([2, 6, 6, 4], 3));
      const plain = { strides: [1, 1], pad: 'valid', dataFormat: 'NHWC' };
      const [tensors] = held();
      for (const [kernel, inputs, attributes] of [
        ['Conv2DBackpropFilter', { x, dy }, { ...plain, filterShape: filter.shape }],
        ['Conv2DBackpropInput', { dy, filter }, { ...plain, inputShape: x.shape }],
      ] as const) {
        tf.dispose(tf.engine().runKernel(kernel, inputs, attributes));
        assert.equal(held()[0], tensors, kernel);
      }
      tf.dispose([x, filter, dy]);
    });
  });
}

test('max pooling of many windows is done by oneDNN on native', {
  ...needsNative,
  ...(process.arch !== 'x64' && { skip: 'oneDNN is for x86' }),
}, async (t) => {
  await backends.native.open();
  const calls = t.mock.method(tf.backend() as NodeJSKernelBackend, 'executeMultipleOutputs').mock;
  gradients((x) => tf.maxPool(x, 2, 2, 'valid'), [normal([8, 28, 28, 12], 1)]);
  assert.deepEqual(
    calls.calls.map((call) => call.arguments[0]),
    ['_MklNativeMaxPool'],
  );
});

describe('convolutions that our networks do not have, on wasm', () => {
  before(async () => {
    await openBackend('wasm', { warn: assert.fail });
  });
  const [input, filter] = [normal([2, 8, 8, 3], 1), normal([3, 3, 3, 4], 2)];
  const others: Record<string, { operation: Operation; text: string }> = {
    'a stride of 2': { operation: (x, f = x) => tf.conv2d(x, f, 2, 'valid'), text: 'got stride 2, padding valid' },
    'padding same': { operation: (x, f = x) => tf.conv2d(x, f, 1, 'same'), text: 'got stride 1, padding same' },
  };
  for (const [sentence, { operation, text }] of Object.entries(others)) {
    test(`${sentence}: the gradient by the filter says that there is none`, async () => {
      await tf.setBackend('wasm');
      assert.throws(() => gradients(operation, [input, filter]), {
        message: new RegExp(`needs stride 1 and padding valid.*${text}`),
      });
    });
    test(`${sentence}: the gradient by the input is the backend's own`, async () => {
      await assertSameGradients('wasm', (x) => operation(x, tensor(filter)), [input]);
    });
  }
});

function held(): number[] {
  const { numTensors, numDataBuffers, numBytes } = tf.memory();
  return [numTensors, numDataBuffers, numBytes, tf.backend().numDataIds()];
}

/** An input as numbers, since a tensor would move from one backend to the other. */
interface Numbers {
  readonly values: readonly number[];
  readonly shape: Shape;
}

/** Normal numbers, by Box and Muller from a linear congruential generator: the same in every run. */
function normal(shape: Shape, seed: number): Numbers {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 1) / 2 ** 32;
  };
  const one = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return { shape, values: Array.from({ length: shape.reduce((size, n) => size * n) }, one) };
}

function tensor({ values, shape }: Numbers): Tensor4D {
  return tf.tensor4d([...values], shape);
}

/** @returns for each input the gradient of the operation's outputs, each times a number of its own so that they differ */
function gradients(operation: Operation, inputs: readonly Numbers[]): Float32Array[] {
  return tf.tidy(() => {
    const weighted = (...tensors: Tensor4D[]) => {
      const output = operation(...tensors);
      return tf.sum(tf.mul(output, tensor(normal(output.shape, 9))));
    };
    // Its type asks for tensors of any rank.
    const all = tf.grads(weighted as Parameters<typeof tf.grads>[0])(inputs.map(tensor));
    return all.map((gradient) => gradient.dataSync<'float32'>());
  });
}

/** Compares with the cpu backend, whose kernels are plain loops; the inputs' figures may differ by 1e-4 of the largest. */
async function assertSameGradients(
  registered: string,
  operation: Operation,
  inputs: readonly Numbers[],
): Promise<void> {
  await tf.setBackend('cpu');
  const want = gradients(operation, inputs);
  await tf.setBackend(registered);
  const got = gradients(operation, inputs);
  for (const [i, wanted] of want.entries()) assertClose(got[i] ?? [], wanted, 1e-4);
}

/** Compares each gradient with the slope between two points 0.002 apart. */
function assertSlopes(operation: Operation, inputs: readonly Numbers[]): void {
  const weighted = (moved: readonly Numbers[]) =>
    tf.tidy(() => {
      const output = operation(...moved.map(tensor));
      const weights = normal(output.shape, 9).values;
      return output.dataSync<'float32'>().reduce((sum, value, i) => sum + value * (weights[i] ?? 0), 0);
    });
  for (const [which, gradient] of gradients(operation, inputs).entries()) {
    const slopes = gradient.map((_, entry) => {
      const at = (step: number) =>
        weighted(
          inputs.map((input, i) =>
            i === which ? { ...input, values: input.values.with(entry, (input.values[entry] ?? 0) + step) } : input,
          ),
        );
      return (at(0.001) - at(-0.001)) / 0.002;
    });
    assertClose(gradient, slopes, 2e-3);
  }
}

function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  assert.equal(got.length, want.length);
  const scale = Math.max(...Array.from(want, Math.abs));
  assert.ok(scale > 0 && Number.isFinite(scale), 'a gradient of zeros proves nothing');
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [got[i] ?? Number.NaN, want[i] ?? Number.NaN];
    assert.ok(Math.abs(g - w) <= tolerance * scale, `entry ${i}: got ${g}, want ${w}`);
  }
}
