import { existsSync } from 'node:fs';
import { readEnvironment } from '../../src/shared/env.ts';
import { nativeBindingFile } from '../../src/trainer/backend.ts';

/** Where `make native` puts the binding on this machine. */
export const nativeBinding = nativeBindingFile(readEnvironment().cacheFolder);

/** For tests that compute on TensorFlow's library: skips them, saying what to run, where nobody has built it. CI builds it, so
 * that there its absence is a failure. */
export const needsNative =
  existsSync(nativeBinding) || process.env.CI === 'true' ? {} : { skip: 'not built here: run `make native`' };
