import type { KernelFunc, MaxPoolGradAttrs, NodeJSKernelBackend, TensorInfo, Tf } from './tf.ts';

/** What TensorFlow.js hands a kernel. Its registry types all kernels alike, so each states its own names here. */
interface Call<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly backend: NodeJSKernelBackend;
}
type StepCall = Call<{ readonly x: TensorInfo }, { readonly alpha: number }>;
type PoolCall = Call<Readonly<Record<'dy' | 'input' | 'output', TensorInfo>>, MaxPoolGradAttrs>;

/** Below this many inputs a second operation costs more than the faster search saves (measured on one core). */
const LARGE_POOL = 65_536;

/** Registers gradients for which tfjs-node calls slow operations of TensorFlow's library although it has fast ones: a third of a
 * training step at batch size 32. The backend must be open and compute on the CPU; on a GPU its own kernels are the right ones. */
export function registerNativeKernels(tf: Tf, backend: NodeJSKernelBackend): void {
  wrap(tf, 'Step', step);
  if (hasOneDnnPooling(tf, backend)) {
    wrap(tf, 'MaxPoolGrad', (call: PoolCall) =>
      tf.util.sizeFromShape(call.inputs.input.shape) < LARGE_POOL ? undefined : maxPoolByInput(tf, call),
    );
  }
}

/** Puts `fast` before the kernel there is, which still does what `fast` answers undefined to. */
function wrap<C>(tf: Tf, kernelName: string, fast: (call: C) => TensorInfo | undefined): void {
  const backendName = 'tensorflow';
  const own = tf.getKernel(kernelName, backendName).kernelFunc as unknown as (call: C) => TensorInfo;
  const kernelFunc = ((call: C) => fast(call) ?? own(call)) as unknown as KernelFunc;
  tf.unregisterKernel(kernelName, backendName); // registering over a kernel prints a warning
  tf.registerKernel({ kernelName, backendName, kernelFunc });
}

/** 1 where x > 0, else 0; NaN stays NaN: half of relu's gradient. Two operations where tfjs-node takes seven. */
function step({ inputs: { x }, attrs, backend }: StepCall): TensorInfo | undefined {
  if (attrs.alpha !== 0 || x.dtype !== 'float32') return undefined;
  const positive = backend.executeSingleInput('Relu', x);
  const sign = backend.executeSingleInput('Sign', positive);
  positive.dispose();
  return sign;
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
