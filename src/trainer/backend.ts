import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidConfigError, toError } from '../sweep/errors.ts';
import { registerWasmKernels } from './kernels.ts';
import { registerNativeKernels } from './native-kernels.ts';
import { loadCpu, loadNative, loadTf, loadWasm, TFJS_VERSION, type Tf } from './tf.ts';

/** Who does the arithmetic: TensorFlow on a GPU, TensorFlow on the CPU, WebAssembly, plain JavaScript. */
export type BackendName = 'gpu' | 'native' | 'wasm' | 'cpu';

/** An open backend. `name` is what really computes, never what was hoped for; `description` is for people. */
export interface Backend {
  readonly name: BackendName;
  readonly tf: Tf;
  readonly description: string;
}

export interface BackendOptions {
  /** Path of the compiled binding, as `nativeBindingFile` gives it; absent: neither `gpu` nor `native` is tried. */
  readonly nativeBinding?: string;
  /** Told, in one line, what a person should know although the run goes on. */
  readonly warn: (line: string) => void;
}

/** Best first: what `auto` tries. */
const ORDER = ['gpu', 'native', 'wasm', 'cpu'] as const satisfies readonly BackendName[];

/** Opens the backend asked for, or with `auto` the best that works here, and makes it the one that `tf` computes on.
 *
 * A process opens one: TensorFlow's library cannot be loaded twice, and its threads are counted from `backendEnvironment`.
 * @throws InvalidConfigError if the backend asked for by name does not work here, with the reason and what to do */
export async function openBackend(wanted: BackendName | 'auto', options: BackendOptions): Promise<Backend> {
  const failures = new Map<string, BackendName[]>();
  for (const name of wanted === 'auto' ? ORDER : [wanted]) {
    const opened = await open(name, options).catch(asFailure);
    if ('tf' in opened) {
      if (name === 'cpu' && failures.size > 0) {
        options.warn(`training in plain JavaScript, over 100 times slower than WebAssembly: ${sentence(failures)}`);
      }
      return opened;
    }
    // That nothing was built, or that there is no GPU, is nobody's fault; anything else should not pass in silence.
    const isNews = wanted === 'auto' && !(opened instanceof InvalidConfigError) && !failures.has(opened.message);
    if (isNews) options.warn(`backend ${name} does not work here: ${opened.message}`);
    failures.set(opened.message, [...(failures.get(opened.message) ?? []), name]);
  }
  throw new InvalidConfigError(`backend ${sentence(failures)}`);
}

function sentence(failures: ReadonlyMap<string, readonly BackendName[]>): string {
  return [...failures].map(([message, names]) => `${names.join(', ')}: ${message}`).join('; ');
}

/** What must stand in the environment of a process **before** it starts and opens a backend: one core each, since a sweep runs
 * a process for every core, and with more threads the order of additions, hence the last digits, would change from run to run.
 * @param wanted `native` also hides the GPUs, so that the name stays true on a machine that has one */
export function backendEnvironment(wanted: BackendName | 'auto' = 'auto'): Record<string, string> {
  return {
    TF_NUM_INTRAOP_THREADS: '1',
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: '1',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true', // TensorFlow takes all memory of a GPU otherwise, and trials may share one
    TF_CPP_MIN_LOG_LEVEL: '2', // errors only
    ...(wanted === 'native' && { CUDA_VISIBLE_DEVICES: '-1' }),
  };
}

/** Where `make native` puts the compiled binding: one for each TensorFlow.js, Node and machine that could load it. */
export function nativeBindingFile(cacheFolder: string): string {
  const { platform, arch, versions } = process;
  return join(
    cacheFolder,
    'native',
    `${platform}-${arch}-node${versions.modules}-tfjs${TFJS_VERSION}`,
    'tfjs_binding.node',
  );
}

function open(name: BackendName, options: BackendOptions): Promise<Backend> {
  if (name === 'wasm') return openWasm();
  if (name === 'cpu') return openCpu();
  return openNative(name, options.nativeBinding);
}

async function openNative(wanted: 'gpu' | 'native', binding: string | undefined): Promise<Backend> {
  if (binding === undefined) throw new InvalidConfigError('no path of a compiled TensorFlow binding was given');
  if (!existsSync(binding))
    throw new InvalidConfigError(`no compiled TensorFlow binding at ${binding}; run \`make native\``);
  const tf = loadTf();
  const backend = loadNative(binding);
  const name = backend.isUsingGpuDevice ? 'gpu' : 'native';
  if (name !== wanted) {
    throw new InvalidConfigError(
      wanted === 'gpu'
        ? 'TensorFlow sees no GPU; the binding must be built by `make native WHEEL="tensorflow[and-cuda]"` and a GPU be visible'
        : 'TensorFlow computes on a GPU here; ask for gpu, or hide the GPU by CUDA_VISIBLE_DEVICES=-1',
    );
  }
  const first = tf.findBackendFactory('tensorflow') === null;
  if (first) tf.registerBackend('tensorflow', () => backend);
  await compute(tf, 'tensorflow');
  if (first) registerNativeKernels(tf, backend);
  return { name, tf, description: `TensorFlow ${backend.binding.TF_Version} on the ${name === 'gpu' ? 'GPU' : 'CPU'}` };
}

async function openWasm(): Promise<Backend> {
  const tf = loadTf();
  const wasm = loadWasm();
  if (!(await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT'))) {
    throw new InvalidConfigError('this Node or processor has no WebAssembly with SIMD');
  }
  wasm.setWasmPaths(wasm.folder);
  wasm.setThreadsCount(1);
  await keepingListeners(() => compute(tf, 'wasm'));
  registerWasmKernels(tf);
  return { name: 'wasm', tf, description: `WebAssembly with SIMD, ${wasm.getThreadsCount()} thread` };
}

async function openCpu(): Promise<Backend> {
  const tf = loadTf();
  loadCpu();
  await compute(tf, 'cpu');
  // Its first tensor prints a banner that advises a package which no longer installs; real warnings stay on.
  Object.assign(tf.backend(), { firstUse: false });
  return { name: 'cpu', tf, description: 'plain JavaScript, 1 thread' };
}

async function compute(tf: Tf, registered: string): Promise<void> {
  if (!(await tf.setBackend(registered))) throw new Error(`TensorFlow.js could not open its backend ${registered}`);
  await tf.ready();
}

/** Emscripten's loader listens for stray exceptions and rejections of the whole process, to throw them again. That is not for a
 * library to decide: whoever runs us may record them and end in order. */
async function keepingListeners(open: () => Promise<void>): Promise<void> {
  const events = ['uncaughtException', 'unhandledRejection'];
  const before = new Set(events.flatMap((event) => process.rawListeners(event)));
  await open();
  for (const event of events) {
    for (const listener of process.rawListeners(event)) {
      if (!before.has(listener)) process.removeListener(event, listener as () => void);
    }
  }
}

function asFailure(error: unknown): Error {
  return toError(error);
}
