import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type * as core from '@tensorflow/tfjs-core';
import type * as layers from '@tensorflow/tfjs-layers';
import type { NodeJSKernelBackend } from '@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js';
import type { TFJSBinding } from '@tensorflow/tfjs-node-gpu/dist/tfjs_binding.js';

export type { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
export type {
  Conv2DBackpropFilterAttrs,
  Conv2DBackpropFilterInputs,
  Conv2DBackpropInputAttrs,
  Conv2DBackpropInputInputs,
  KernelFunc,
  MaxPoolGradAttrs,
  NamedTensorMap,
  Optimizer,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  TensorInfo,
  Variable,
} from '@tensorflow/tfjs-core';
export type { LayersModel, Sequential, SymbolicTensor } from '@tensorflow/tfjs-layers';
export type { NodeJSKernelBackend, TFJSBinding };

/** What model and loop code is handed: everything of tfjs-core and tfjs-layers, on whichever backend was opened. */
export type Tf = typeof core & typeof layers;

/** The version of every TensorFlow.js package in package.json; they only work together when it is the same. */
export const TFJS_VERSION = '4.22.0';

// Every package is required when it is asked for, so that a run on WASM never loads the native ones. CommonJS on purpose:
// tfjs-node-gpu requires tfjs-core, and a second copy of it (its ES modules) would have an engine and tensors of its own.
const require = createRequire(import.meta.url);

/** Loads tfjs-core and tfjs-layers; no backend is registered yet. */
export function loadTf(): Tf {
  return { ...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-layers') };
}

/** Registers the plain JavaScript backend under the name `cpu`. */
export function loadCpu(): void {
  require('@tensorflow/tfjs-backend-cpu');
}

/** Registers the WebAssembly backend under the name `wasm`.
 * @returns its settings, which must be made before the backend is first used, and the folder with its .wasm files */
export function loadWasm(): typeof import('@tensorflow/tfjs-backend-wasm') & { readonly folder: string } {
  return {
    ...require('@tensorflow/tfjs-backend-wasm'),
    folder: `${dirname(require.resolve('@tensorflow/tfjs-backend-wasm'))}/`,
  };
}

/** Loads the kernels of TensorFlow's C library and the compiled binding.
 *
 * The package's own entry point looks for the binding inside node_modules, where `npm ci` would delete it; hence the parts.
 * @param binding path of tfjs_binding.node
 * @returns a backend that is not registered yet
 * @throws if the package is not installed (it is optional), or the binding or a library that it needs does not load */
export function loadNative(binding: string): NodeJSKernelBackend {
  // The package calls this at every operation; Node 22 warns that it is deprecated, later ones no longer have it.
  Object.assign(require('node:util'), { isNullOrUndefined: (value: unknown) => value === null || value === undefined });
  require('@tensorflow/tfjs-node-gpu/dist/register_all_kernels.js');
  const { NodeJSKernelBackend: Backend } = require('@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend.js');
  return new Backend(require(binding), '@tensorflow/tfjs-node-gpu');
}

/** The folder with the C++ sources of the binding, or undefined where the optional package is not installed. */
export function nativeSources(): string | undefined {
  try {
    return join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'binding');
  } catch {
    return undefined;
  }
}
