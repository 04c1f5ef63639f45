// `make native [WHEEL=…]`: compiles the binding between Node and TensorFlow's C library, which Google no longer publishes for today's
// TensorFlow, against a wheel from PyPI. The result and the wheel stay in the cache folder; the second call finds them there.

import { spawnSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childEnvironment, readEnvironment } from '../src/shared/env.ts';
import { InvalidConfigError } from '../src/sweep/errors.ts';
import { backendEnvironment, nativeBindingFile, openBackend } from '../src/trainer/backend.ts';
import { nativeSources } from '../src/trainer/tf.ts';

const DEFAULT_WHEEL = 'tensorflow-cpu==2.21.0';
const PROVE = '--prove'; // this script calls itself so, in a process that a broken library may take down

try {
  const [argument, binding] = process.argv.slice(2);
  if (argument === PROVE && binding !== undefined) await prove(binding);
  else build(argument || DEFAULT_WHEEL);
} catch (error) {
  if (!(error instanceof InvalidConfigError)) throw error;
  console.error(`make native: ${error.message}`);
  process.exitCode = 2;
}

/** Builds in a folder of its own, proves it, then moves it into place: a build that was killed leaves nothing half-made there.
 * @param wheel what pip is asked for: `tensorflow-cpu==2.21.0`, `tensorflow[and-cuda]` */
function build(wheel: string): void {
  const wanted = nativeBindingFile(readEnvironment().cacheFolder);
  const link = dirname(wanted);
  const folder = `${link}-${wheel.replaceAll(/[^\w.=-]+/g, '_')}`;
  if (!existsSync(join(folder, basename(wanted)))) {
    const sources = checkTools();
    const building = `${folder}.building-${process.pid}`;
    try {
      const tensorflow = installWheel(wheel, join(building, 'venv'));
      compile(sources, tensorflow, join(building, basename(wanted)));
      run(process.execPath, [import.meta.filename, PROVE, join(building, basename(wanted))]);
      rmSync(folder, { recursive: true, force: true });
      renameSync(building, folder);
    } finally {
      rmSync(building, { recursive: true, force: true });
    }
  }
  pointTo(link, folder);
  console.log(`native backend: ${wanted} (${wheel})`);
}

/** @returns the folder of the binding's C++ sources
 * @throws InvalidConfigError if something that the build needs is missing, with how to get it */
function checkTools(): string {
  if (process.platform !== 'linux') {
    throw new InvalidConfigError(
      `the native backend is built on Linux only, not on ${process.platform}; wasm needs no build`,
    );
  }
  const sources = nativeSources();
  if (sources === undefined) throw new InvalidConfigError('@tensorflow/tfjs-node-gpu is not installed; run `npm ci`');
  const missing = [
    { command: 'python3', try: ['--version'], debian: 'python3' },
    { command: 'python3', try: ['-c', 'import venv, ensurepip'], debian: 'python3-venv' },
    { command: 'g++', try: ['--version'], debian: 'g++' },
  ].filter((tool) => spawnSync(tool.command, tool.try).status !== 0);
  if (missing.length > 0) {
    const packages = missing.map(({ debian }) => debian).join(' ');
    throw new InvalidConfigError(`${packages} missing; on Debian: apt-get install ${packages}`);
  }
  return sources;
}

/** @returns the wheel's folder with TensorFlow's headers and libraries */
function installWheel(wheel: string, venv: string): string {
  mkdirSync(dirname(venv), { recursive: true });
  run('python3', ['-m', 'venv', venv]);
  run(join(venv, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', wheel]);
  const [library] = globSync(join(venv, 'lib', 'python3*', 'site-packages', 'tensorflow', 'libtensorflow_cc.so.2'));
  if (library === undefined)
    throw new InvalidConfigError(`${wheel} has no libtensorflow_cc.so.2; is it a TensorFlow wheel for Linux?`);
  return dirname(library);
}

function compile(sources: string, tensorflow: string, binding: string): void {
  const nodeHeaders = join(dirname(fileURLToPath(import.meta.resolve('node-api-headers'))), 'include');
  run('g++', [
    ...['-std=c++17', '-O2', '-shared', '-fPIC', '-DNAPI_VERSION=8'],
    ...globSync(join(sources, '*.cc')),
    ...['-I', join(tensorflow, 'include'), '-I', nodeHeaders],
    ...['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2'].map((library) => join(tensorflow, library)),
    // Relative, since the folder is moved when it is done.
    ...['-Wl,-rpath,$ORIGIN/'.concat(relative(dirname(binding), tensorflow)), '-o', binding],
  ]);
}

/** Loads the binding, computes with it and says what it is.
 * @throws InvalidConfigError if it does not load */
async function prove(binding: string): Promise<void> {
  const failures: string[] = [];
  for (const name of ['gpu', 'native'] as const) {
    try {
      const { tf, description } = await openBackend(name, { nativeBinding: binding, warn: console.error });
      const [product] = tf.tidy(() => tf.matMul([[2, 3]], [[4], [5]]).dataSync());
      if (product !== 23) throw new InvalidConfigError(`${description} says that 2 × 4 + 3 × 5 is ${product}`);
      console.log(`proved: backend ${name}, ${description}`);
      return;
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new InvalidConfigError(failures.join('; '));
}

/** Makes `link` a symbolic link to `folder`, in one step, so that a worker that starts meanwhile finds the old or the new. */
function pointTo(link: string, folder: string): void {
  const next = `${link}.${process.pid}`;
  symlinkSync(basename(folder), next);
  renameSync(next, link);
}

/** @throws InvalidConfigError if the command fails; what it printed stands above */
function run(command: string, args: string[]): void {
  const { status, signal, error } = spawnSync(command, args, {
    stdio: 'inherit',
    env: childEnvironment(backendEnvironment()),
  });
  if (status !== 0) {
    throw new InvalidConfigError(`${basename(command)} failed (${error?.message ?? signal ?? `exit ${status}`})`);
  }
}
