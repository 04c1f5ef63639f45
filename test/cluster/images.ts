import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { ROOT, VERSION } from '../../src/shared/package.ts';
import { exists } from './programs.ts';

const run = promisify(execFile);

/** An image of this working tree, for `ctr images import`. */
export interface BuiltImage {
  /** As a Pod names it; it is in no registry: `imagePullPolicy: Never`. */
  readonly name: string;
  /** Path of an OCI archive. */
  readonly archive: string;
}

export type ImageName = 'controller' | 'trainer';
export type Images = Readonly<Record<ImageName, BuiltImage>>;

const RECIPES: Readonly<Record<ImageName, { name: string; dockerfile: string; args: readonly string[] }>> = {
  controller: { name: 'localhost/cnn-sweep:test', dockerfile: 'Dockerfile', args: [] },
  // Without CUDA's four gigabytes.
  trainer: {
    name: 'localhost/cnn-sweep-trainer:test',
    dockerfile: 'Dockerfile.trainer',
    args: ['WHEEL=tensorflow-cpu==2.21.0'],
  },
};

const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'cnn-sweep', 'images');
const STORAGE = path.join(CACHE, 'storage');
/** Where the storage notes what is mounted; a restart of the machine must empty it. */
const MOUNTS = '/run/cnn-sweep-images';

/** Layers of older trees stay in the storage until it is larger; then all go, and the next build takes minutes again. */
const MAX_STORAGE_BYTES = 30 * 2 ** 30;
const KEPT_ARCHIVES = 2;

const TOOLS = ['buildah', 'debootstrap', 'flock'];

/** Why images cannot be built here, in one line; undefined if they can. */
export async function whyNoImages(): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'images are built by root on Linux';
  const folders = (process.env.PATH ?? '').split(':');
  const found = await Promise.all(
    TOOLS.map(async (tool) =>
      (await Promise.all(folders.map((folder) => exists(path.join(folder, tool))))).some(Boolean),
    ),
  );
  const missing = TOOLS.filter((_, at) => !found[at]);
  return missing.length > 0 ? `${missing.join(', ')} missing; on Debian: make test, or apt-get install it` : undefined;
}

/** Builds the images with the Dockerfiles of this tree; an archive that was built from the very same files is used again. The first
 * time takes minutes, a change of the sources alone seconds.
 * @throws an error with the end of the build's own words */
export async function buildImages(
  names: readonly ImageName[] = ['controller', 'trainer'],
  say: (line: string) => void = console.log,
): Promise<Images> {
  const context = await takeContext();
  try {
    const images = {} as Record<ImageName, BuiltImage>;
    for (const name of names) images[name] = await buildImage(name, context, say);
    return images;
  } finally {
    await rm(context, { recursive: true, force: true });
  }
}

/** Lends the file system of an image, for as long as `use` takes; what is written to it is thrown away. */
export async function withRootfs<T>(
  image: BuiltImage,
  use: (rootfs: string, config: ImageConfig) => Promise<T>,
): Promise<T> {
  return withLock(async () => {
    const id = await buildah(['inspect', '--type', 'image', '--format', '{{.FromImageID}}', tagOf(image)]).catch(() =>
      buildah(['pull', '--quiet', `oci-archive:${image.archive}`]),
    );
    const container = await buildah(['from', '--pull-never', id]);
    try {
      const { OCIv1 } = JSON.parse(await buildah(['inspect', container])) as { OCIv1: { config: ImageConfig } };
      return await use(await buildah(['mount', container]), OCIv1.config);
    } finally {
      await buildah(['rm', container]);
    }
  });
}

/** What an image says about the process that runs in it. */
export interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
}

async function buildImage(image: ImageName, context: string, say: (line: string) => void): Promise<BuiltImage> {
  const { name, dockerfile, args } = RECIPES[image];
  const archive = path.join(CACHE, `${image}-${await keyOf(dockerfile, context, args)}.tar`);
  if (await exists(archive)) return { name, archive };
  await mkdir(CACHE, { recursive: true });
  await withLock(async () => {
    if (await exists(archive)) return; // built by somebody else while we waited
    await emptyFullStorage(say);
    const base = await buildBase(say);
    say(`building image ${name}`);
    const began = performance.now();
    const all = [`BASE=${base}`, `VERSION=${VERSION}`, ...args].flatMap((arg) => ['--build-arg', arg]);
    const file = path.join(context, dockerfile);
    const log = path.join(CACHE, `${image}.log`);
    const flags = ['--layers', '--pull-never', ...authorities(), ...all];
    const tags = [name, tagOf({ name, archive })].flatMap((tag) => ['--tag', tag]);
    await buildah(['bud', ...flags, '--file', file, ...tags, context], log);
    const partial = `${archive}.partial`;
    await rm(partial, { force: true });
    // Compressed, since buildah cannot do otherwise in this format; and so it takes a tenth of gzip's time.
    const format = ['--format', 'oci', '--compression-format', 'zstd'];
    await buildah(['push', ...format, name, `oci-archive:${partial}:${name}`], log);
    await rename(partial, archive);
    await pruneArchives(image);
    say(`built image ${name} in ${Math.round((performance.now() - began) / 1000)} s`);
  });
  return { name, archive };
}

/** Names this very build, whatever was built under the same name since. */
function tagOf({ archive }: BuiltImage): string {
  return `localhost/cnn-sweep-built:${path.basename(archive, '.tar')}`;
}

/** Copies what .dockerignore lets through, so that nobody changes a file between its hash and the build. All times are the same:
 * to the builder a file of another time is another file. */
async function takeContext(): Promise<string> {
  const context = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-context-'));
  const ignore = await readFile(path.join(ROOT, '.dockerignore'), 'utf8');
  const admitted = [...ignore.matchAll(/^!(.+)$/gm)].map(([, entry = '']) => entry);
  const dockerfiles = Object.values(RECIPES).map(({ dockerfile }) => dockerfile);
  for (const entry of [...admitted, ...dockerfiles, '.dockerignore'])
    await cp(path.join(ROOT, entry), path.join(context, entry), { recursive: true });
  await run('find', [context, '-exec', 'touch', '--no-dereference', '--date=@0', '{}', '+']);
  return context;
}

/** Of all that goes into an image: names, modes and contents of the files, base, arguments. */
async function keyOf(dockerfile: string, context: string, args: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([baseName(), args]));
  const others = new Set(
    Object.values(RECIPES)
      .map((recipe) => recipe.dockerfile)
      .filter((file) => file !== dockerfile),
  );
  const entries = await readdir(context, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    const name = path.relative(context, file);
    if (others.has(name)) continue;
    const isExecutable = ((await stat(file)).mode & 0o100) !== 0;
    const content = await readFile(file);
    hash.update(JSON.stringify([name, isExecutable, content.length])).update(content);
  }
  return hash.digest('hex').slice(0, 12);
}

// What the public image of the same name leaves out, too.
const BASE_SCRIPT = `
set -eu
debootstrap --variant=minbase bookworm "$1"
rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/* "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/usr/share/locale/*
`;

function baseName(): string {
  const key = createHash('sha256').update(BASE_SCRIPT).update(process.arch).digest('hex').slice(0, 12);
  return `localhost/cnn-sweep-base:${key}`;
}

/** Debian from its own packages, in place of the public image. */
async function buildBase(say: (line: string) => void): Promise<string> {
  const name = baseName();
  const isThere = await buildah(['inspect', '--type', 'image', name]).catch(() => undefined);
  if (isThere !== undefined) return name;
  say('building the base image, once');
  const folder = await mkdtemp(path.join(CACHE, 'base-'));
  try {
    await runLogged('sh', ['-c', BASE_SCRIPT, 'base', folder], path.join(CACHE, 'base.log'));
    const container = await buildah(['from', 'scratch']);
    await buildah(['copy', '--quiet', container, folder, '/']);
    await buildah(['commit', '--quiet', '--rm', container, name]);
    return name;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Where this machine trusts a certificate authority of its own, npm and pip must do so within the build. */
function authorities(): readonly string[] {
  return ['NODE_EXTRA_CA_CERTS', 'PIP_CERT'].flatMap((name) => {
    const file = process.env[name];
    return file ? ['--volume', `${file}:/build-ca/${name}.crt:ro`, '--build-arg', `${name}=/build-ca/${name}.crt`] : [];
  });
}

async function pruneArchives(image: ImageName): Promise<void> {
  const names = (await readdir(CACHE)).filter((name) => name.startsWith(`${image}-`) && name.endsWith('.tar'));
  const archives = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(path.join(CACHE, name))).mtimeMs })),
  );
  archives.sort((a, b) => b.at - a.at);
  for (const { name } of archives.slice(KEPT_ARCHIVES)) await rm(path.join(CACHE, name));
}

async function emptyFullStorage(say: (line: string) => void): Promise<void> {
  if (!(await exists(STORAGE))) return;
  const { stdout } = await run('du', ['--summarize', '--block-size=1', '--one-file-system', STORAGE]);
  if (Number.parseInt(stdout, 10) < MAX_STORAGE_BYTES) return;
  say('emptying the storage of images');
  await buildah(['rm', '--all']);
  await buildah(['rmi', '--all', '--force']);
}

/** @returns what it prints; with a log, that gets it instead */
async function buildah(args: readonly string[], log?: string): Promise<string> {
  // The storage driver is buildah's own choice: overlay, or where the kernel refuses that, full copies (vfs).
  const all = ['--root', STORAGE, '--runroot', MOUNTS, ...args];
  const env = { ...process.env, BUILDAH_ISOLATION: 'chroot' };
  if (log !== undefined) {
    await runLogged('buildah', all, log, env);
    return '';
  }
  const { stdout } = await run('buildah', all, { env, maxBuffer: 64 * 1024 * 1024 });
  return stdout.trim();
}

async function runLogged(command: string, args: readonly string[], log: string, env = process.env): Promise<void> {
  const file = await open(log, 'a');
  const child = spawn(command, args, { stdio: ['ignore', file.fd, file.fd], env });
  await file.close();
  const [code] = await once(child, 'exit');
  if (code === 0) return;
  const tail = (await readFile(log, 'utf8')).split('\n').slice(-20).join('\n');
  throw new Error(`${command} ended with ${code}; the end of ${log}:\n${tail}`);
}

/** One build at a time on this machine: the lock is the kernel's, so it goes with whoever held it. */
async function withLock<T>(work: () => Promise<T>): Promise<T> {
  await mkdir(CACHE, { recursive: true });
  const holder = spawn('flock', [path.join(CACHE, 'lock'), 'sh', '-c', 'echo locked && cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    await once(holder.stdout, 'data');
    return await work();
  } finally {
    await release(holder);
  }
}

async function release(holder: ChildProcess): Promise<void> {
  const ended = once(holder, 'exit');
  holder.stdin?.end();
  await ended;
}

if (import.meta.main) console.log(await buildImages());
