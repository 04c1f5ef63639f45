import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import type { ImageConfig } from './images.ts';

/** How a container is run: as the Pods of a trial are, or stricter. */
export interface ContainerSpec {
  readonly rootfs: string;
  readonly config: ImageConfig;
  /** Replaces the image's command, not its entry point. */
  readonly args?: readonly string[];
  /** Replaces the image's entry point. */
  readonly entrypoint?: readonly string[];
  /** Paths in the container, and what of this machine is mounted there. */
  readonly mounts?: Readonly<Record<string, { readonly source: string; readonly writable?: boolean }>>;
}

export interface RunningContainer {
  readonly stdout: NodeJS.ReadableStream;
  /** To the first process of the container. */
  kill(signal: string): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Runs an image without a cluster: no user but the image's, no capability, a read-only file system but for /tmp, no network. */
export async function startContainer(spec: ContainerSpec): Promise<RunningContainer> {
  const bundle = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-bundle-'));
  // The user of the container is none of this machine's.
  await chmod(bundle, 0o755);
  await writeFile(path.join(bundle, 'config.json'), JSON.stringify(buildRuntimeSpec(spec)));
  const id = path.basename(bundle);
  const state = path.join(bundle, 'state');
  await mkdir(state);
  const runc = ['runc', '--root', state];
  // Whoever dies takes the container along.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...runc, 'run', '--bundle', bundle, id], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit');
  const output = Promise.all([text(child.stdout), text(child.stderr)]);
  const ended = (async () => {
    const [[code], [stdout, stderr]] = await Promise.all([exit as Promise<[number | null]>, output]);
    await rm(bundle, { recursive: true, force: true });
    return { code, stdout, stderr };
  })();
  return {
    stdout: child.stdout,
    ended,
    kill: async (signal) => {
      await once(spawn('runc', ['--root', state, 'kill', id, signal], { stdio: 'inherit' }), 'exit');
    },
  };
}

function buildRuntimeSpec({ rootfs, config, args, entrypoint, mounts = {} }: ContainerSpec) {
  const [uid = 0, gid = 0] = config.User.split(':').map(Number);
  const command = [...(entrypoint ?? config.Entrypoint ?? []), ...(args ?? (entrypoint ? [] : (config.Cmd ?? [])))];
  const memory = (destination: string, ...options: string[]) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', ...options],
  });
  const bound = Object.entries(mounts).map(([destination, { source, writable = false }]) => ({
    destination,
    type: 'bind',
    source,
    options: ['rbind', writable ? 'rw' : 'ro'],
  }));
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid, gid },
      args: command,
      env: config.Env,
      cwd: config.WorkingDir,
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: rootfs, readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { ...memory('/dev', 'strictatime', 'mode=755', 'size=65536k'), options: ['nosuid', 'mode=755', 'size=65536k'] },
      memory('/dev/shm', 'noexec', 'mode=1777', 'size=65536k'),
      memory('/tmp', 'mode=1777'),
      ...bound,
    ],
    linux: { namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })) },
  };
}
