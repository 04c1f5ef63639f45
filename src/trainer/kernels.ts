import type {
  BackendWasm,
  Conv2DBackpropFilterAttrs,
  Conv2DBackpropFilterInputs,
  Conv2DBackpropInputAttrs,
  Conv2DBackpropInputInputs,
  KernelFunc,
  MaxPoolGradAttrs,
  Tensor4D,
  TensorInfo,
  Tf,
} from './tf.ts';

/** What TensorFlow.js hands a kernel. Its registry types all kernels alike, so each states its own names here. */
interface Call<Inputs, Attrs> {
  readonly inputs: Inputs;
  readonly attrs: Attrs;
  readonly backend: BackendWasm;
}
type FilterCall = Call<Conv2DBackpropFilterInputs, Conv2DBackpropFilterAttrs>;
type InputCall = Call<Conv2DBackpropInputInputs, Conv2DBackpropInputAttrs>;
type PoolCall = Call<Readonly<Record<'dy' | 'input', TensorInfo>>, MaxPoolGradAttrs>;

/** Registers the gradients that the WASM backend lacks (of a convolution by its filter) or has as plain loops (by its input, and
 * of max pooling). The backend must be open, since kernels are bound to its memory when it opens; a second call does nothing.
 * @see operations.md section 9; tfjs issue 8474 */
export function registerWasmKernels(tf: Tf): void {
  if (tf.getKernel('Conv2DBackpropFilter', 'wasm') !== undefined) return;
  const slowByInput = tf.getKernel('Conv2DBackpropInput', 'wasm').kernelFunc as unknown as (
    call: InputCall,
  ) => TensorInfo;
  register(tf, 'Conv2DBackpropFilter', (call: FilterCall) => convolutionByFilter(tf, call));
  register(tf, 'Conv2DBackpropInput', (call: InputCall) => convolutionByInput(tf, call) ?? slowByInput(call));
  register(tf, 'MaxPoolGrad', (call: PoolCall) => maxPoolByInput(tf, call));
}

function register<C>(tf: Tf, kernelName: string, kernel: (call: C) => TensorInfo): void {
  // Registering over an existing kernel prints a warning.
  if (tf.getKernel(kernelName, 'wasm') !== undefined) tf.unregisterKernel(kernelName, 'wasm');
  tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc: kernel as unknown as KernelFunc });
}

/** Gradient of a convolution by its filter, as a convolution: an entry of the filter met the input once for every output, so the
 * outputs' gradient slides over the input as a filter does, with examples as the channels that are summed.
 *
 * x [n, h, w, ci] as [ci, h, w, n]; dy [n, oh, ow, co] as filter [oh, ow, n, co]; gives [ci, kh, kw, co] for [kh, kw, ci, co].
 * @throws Error if the convolution is not one of stride 1 without padding, with its stride and padding */
function convolutionByFilter(tf: Tf, { inputs, attrs }: FilterCall): TensorInfo {
  const [x, dy] = [inputs.x as Tensor4D, inputs.dy as Tensor4D];
  if (!isPlain(tf, x.shape, attrs.filterShape, attrs)) {
    throw new Error(
      `the gradient of a convolution by its filter needs stride 1 and padding valid on the wasm backend, got stride ${attrs.strides}, padding ${attrs.pad}`,
    );
  }
  return tf.tidy(() => {
    const sums = tf.conv2d(tf.transpose(x, [3, 1, 2, 0]), tf.transpose(dy, [1, 2, 0, 3]), 1, 'valid');
    return tf.transpose(sums, [1, 2, 0, 3]);
  });
}

/** Gradient of a convolution by its input, as a convolution: dy [n, oh, ow, co], padded by the filter's size less 1, with the
 * filter turned around. Some 3 times faster than the backend's own, although it also multiplies the padding.
 * @returns float32 [n, h, w, ci], or undefined where stride or padding are others and the backend's own must do */
function convolutionByInput(tf: Tf, { inputs, attrs, backend }: InputCall): TensorInfo | undefined {
  const [dy, filter] = [inputs.dy as Tensor4D, inputs.filter as Tensor4D];
  if (!isPlain(tf, attrs.inputShape, filter.shape, attrs)) return undefined;
  const [rows, columns] = [filter.shape[0] - 1, filter.shape[1] - 1];
  return tf.tidy(() => {
    const turned = tf.engine().makeTensorFromTensorInfo(turnAround(backend, filter)) as Tensor4D;
    return tf.conv2d(dy, turned, 1, [
      [0, 0],
      [rows, rows],
      [columns, columns],
      [0, 0],
    ]);
  });
}

/** @returns filter [kh, kw, ci, co] flipped both ways, as [kh, kw, co, ci]; tf.reverse and tf.transpose take ten times as long */
function turnAround(backend: BackendWasm, filter: Tensor4D): TensorInfo {
  const [kh, kw, ci, co] = filter.shape;
  const turned = backend.makeOutput([kh, kw, co, ci], 'float32');
  // Only now, since making the output may have moved the heap.
  const from = backend.typedArrayFromHeap(filter);
  const to = backend.typedArrayFromHeap(turned);
  let read = 0;
  // Flipping rows and columns is walking the positions backwards.
  for (let position = kh * kw - 1; position >= 0; position--) {
    for (let i = 0; i < ci; i++) {
      for (let o = 0; o < co; o++) to[(position * co + o) * ci + i] = from[read++] as number;
    }
  }
  return turned;
}

/** Gradient of max pooling: each output's gradient goes to the first largest input of its window, as on the cpu backend. The
 * backend's own visits every output for every input, some ten times slower.
 * @returns float32, of the input's shape [n, h, w, c] */
function maxPoolByInput(tf: Tf, { inputs, attrs, backend }: PoolCall): TensorInfo {
  const { dy, input } = inputs;
  const shape = input.shape as Tensor4D['shape'];
  const { filterSize, strides, pad, dimRoundingMode } = attrs;
  const pool = tf.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
  const { batchSize, inHeight, inWidth, inChannels: channels, outHeight, outWidth, padInfo } = pool;
  const gradient = backend.makeOutput(shape, 'float32');
  // Only now, since making the output may have moved the heap.
  const dx = backend.typedArrayFromHeap(gradient).fill(0);
  const x = backend.typedArrayFromHeap(input);
  const slopes = backend.typedArrayFromHeap(dy);
  let output = 0;
  for (let n = 0; n < batchSize; n++) {
    for (let row = 0; row < outHeight; row++) {
      const top = Math.max(0, row * pool.strideHeight - padInfo.top);
      const bottom = Math.min(inHeight, row * pool.strideHeight - padInfo.top + pool.filterHeight);
      for (let column = 0; column < outWidth; column++) {
        const left = Math.max(0, column * pool.strideWidth - padInfo.left);
        const right = Math.min(inWidth, column * pool.strideWidth - padInfo.left + pool.filterWidth);
        const first = ((n * inHeight + top) * inWidth + left) * channels;
        for (let c = 0; c < channels; c++) {
          let largest = first + c;
          for (let y = top; y < bottom; y++) {
            let at = ((n * inHeight + y) * inWidth + left) * channels + c;
            for (let w = left; w < right; w++, at += channels) {
              if ((x[at] as number) > (x[largest] as number)) largest = at;
            }
          }
          dx[largest] = (dx[largest] as number) + (slopes[output++] as number);
        }
      }
    }
  }
  return gradient;
}

/** Is it a convolution of stride 1 without padding? */
function isPlain(
  tf: Tf,
  inputShape: Tensor4D['shape'],
  filterShape: Tensor4D['shape'],
  {
    strides,
    pad,
    dataFormat,
    dimRoundingMode,
  }: Pick<InputCall['attrs'], 'strides' | 'pad' | 'dataFormat' | 'dimRoundingMode'>,
): boolean {
  if (dataFormat !== 'NHWC') return false;
  const { strideHeight, strideWidth, padInfo } = tf.backend_util.computeConv2DInfo(
    inputShape,
    filterShape,
    strides,
    1,
    pad,
    dimRoundingMode,
  );
  const { top, bottom, left, right } = padInfo;
  return strideHeight === 1 && strideWidth === 1 && top + bottom + left + right === 0;
}
