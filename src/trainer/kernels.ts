import type { Tf } from './tf.ts';

export function registerWasmKernels(_tf: Tf): void {}
