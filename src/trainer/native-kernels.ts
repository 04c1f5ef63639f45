import type { KernelFunc, MaxPoolGradAttrs, NodeJSKernelBackend, Tensor, TensorInfo, Tf } from './tf.ts';

/** What TensorFlow.js hands a kernel. Its registry types all kernels alike, so each states its own names here. */
interface Call<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly backend: NodeJSKernelBackend;
}
type ReluCall = Call<Readonly<Record<'dy' | 'x', TensorInfo>>, undefined>;
type PoolCall = Call<Readonly<Record<'dy' | 'input' | 'output', TensorInfo>>, MaxPoolGradAttrs>;

/** The name under which tfjs-node registers its kernels. */
const NAME = 'tensorflow';

/** Below this many inputs a second operation costs more than the faster search saves (measured on one core). */
const LARGE_POOL = 65_536;

/** Registers gradients for which tfjs-node calls slow operations of TensorFlow's library although it has fast ones: a third of a
 * training step at batch size 32. To be called once, when the backend is open. */
export function registerNativeKernels(tf: Tf, backend: NodeJSKernelBackend): void {
  registerReluGradient(tf);
  if (!backend.isUsingGpuDevice && hasOneDnnPooling(tf, backend)) {
    const own = tf.getKernel('MaxPoolGrad', NAME).kernelFunc as unknown as (call: PoolCall) => TensorInfo;
    const isLarge = ({ inputs }: PoolCall) => tf.util.sizeFromShape(inputs.input.shape) >= LARGE_POOL;
    tf.unregisterKernel('MaxPoolGrad', NAME); // registering over a kernel prints a warning
    register(
      tf,
      'MaxPoolGrad',
      (call: PoolCall) => (isLarge(call) ? maxPoolByInput(tf, call) : undefined) ?? own(call),
    );
  }
}

function register<C>(tf: Tf, kernelName: string, kernel: (call: C) => TensorInfo): void {
  tf.registerKernel({ kernelName, backendName: NAME, kernelFunc: kernel as unknown as KernelFunc });
}

/** Gradient of relu by TensorFlow's own ReluGrad: one operation instead of the nine by which tfjs-node gets a step function and
 * multiplies by it. Gradients are registered for all backends at once; the others keep theirs. */
function registerReluGradient(tf: Tf): void {
  register(tf, 'ReluGrad', ({ inputs: { dy, x }, backend }: ReluCall) => {
    const { TF_ATTR_TYPE, TF_FLOAT } = backend.binding;
    return backend.executeSingleOutput('ReluGrad', [{ name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT }], [dy, x]);
  });
  const own = tf.getGradient('Relu');
  tf.unregisterGradient('Relu');
  tf.registerGradient({
    ...own,
    gradFunc: (dy, saved, attrs) => {
      const [x] = saved;
      if (tf.getBackend() !== NAME || x?.dtype !== 'float32' || Array.isArray(dy))
        return own.gradFunc(dy, saved, attrs);
      return { x: () => tf.engine().runKernel<Tensor>('ReluGrad', { dy, x }) };
    },
  });
}

/** Gradient of max pooling by oneDNN. The library's MaxPoolGrad searches every window again, one input at a time; to pool again
 * with oneDNN, which notes where it found the largest, and hand the gradients back is 15 times faster, with the same numbers.
 * @returns float32, of the input's shape [n, h, w, c], or undefined with padding other than valid */
function maxPoolByInput(tf: Tf, { inputs: { dy, input, output }, attrs, backend }: PoolCall): TensorInfo | undefined {
  const { filterSize, strides, pad, dimRoundingMode } = attrs;
  const shape = input.shape as [number, number, number, number];
  const pool = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  if (pool.padInfo.type !== 'VALID') return undefined;
  const { TF_ATTR_INT, TF_ATTR_STRING, TF_ATTR_BOOL, TF_ATTR_TYPE, TF_FLOAT } = backend.binding;
  const settings = [
    { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT },
    { name: 'ksize', type: TF_ATTR_INT, value: [1, pool.filterHeight, pool.filterWidth, 1] },
    { name: 'strides', type: TF_ATTR_INT, value: [1, pool.strideHeight, pool.strideWidth, 1] },
    { name: 'padding', type: TF_ATTR_STRING, value: 'VALID' },
    { name: 'workspace_enabled', type: TF_ATTR_BOOL, value: true },
    // oneDNN's kernels are registered under this label only.
    { name: '_kernel', type: TF_ATTR_STRING, value: 'MklNameChangeOp' },
  ];
  return tf.tidy(() => {
    const pooled = backend.executeMultipleOutputs('_MklNativeMaxPool', settings, [input], 2);
    return backend.executeSingleOutput('_MklNativeMaxPoolGrad', settings, [input, output, dy, ...pooled.slice(1)]);
  });
}

/** Was this TensorFlow built with oneDNN's kernels, and are they still called as in 2.21? They are not public, so one is tried. */
function hasOneDnnPooling(tf: Tf, backend: NodeJSKernelBackend): boolean {
  try {
    return tf.tidy(() => {
      const inputs = {
        input: tf.tensor4d([1, 2, 4, 3], [1, 2, 2, 1]),
        output: tf.tensor4d([[[[4]]]]),
        dy: tf.tensor4d([[[[5]]]]),
      };
      const attrs: MaxPoolGradAttrs = { filterSize: [2, 2], strides: [2, 2], pad: 'valid' };
      const gradient = maxPoolByInput(tf, { inputs, attrs, backend });
      return gradient !== undefined && String(backend.readSync(gradient.dataId)) === '0,0,5,0';
    });
  } catch {
    return false;
  }
}
