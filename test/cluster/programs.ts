import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const KUBERNETES = 'v1.34.4';
const versionOf = (version: string) => {
  const [major, minor] = version.slice(1).split('.');
  const set = (name: string, value: string) => `-X k8s.io/component-base/version.${name}=${value}`;
  return [set('gitVersion', version), set('gitMajor', `${major}`), set('gitMinor', `${minor}`)];
};

/** One Go module a tool, since in one they conflict; the programs of a module are built in one call. */
const MODULES = {
  pause: { packages: { pause: 'cnn-sweep.dev/test/pause' }, ldflags: [] },
  actor: { packages: { actor: 'cnn-sweep.dev/test/actor' }, ldflags: [] },
  etcd: { packages: { etcd: 'go.etcd.io/etcd/server/v3' }, ldflags: [] },
  kubernetes: {
    packages: {
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
      'kube-proxy': 'k8s.io/kubernetes/cmd/kube-proxy',
      kubelet: 'k8s.io/kubernetes/cmd/kubelet',
      kubectl: 'k8s.io/kubernetes/cmd/kubectl',
    },
    // Without these the version reads v0.0.0, and clients refuse it.
    ldflags: versionOf(KUBERNETES),
  },
  kwok: { packages: { kwok: 'sigs.k8s.io/kwok/cmd/kwok' }, ldflags: [] },
  coredns: { packages: { coredns: 'github.com/coredns/coredns' }, ldflags: [] },
  'nats-server': { packages: { 'nats-server': 'github.com/nats-io/nats-server/v2' }, ldflags: [] },
  helm: { packages: { helm: 'helm.sh/helm/v3/cmd/helm' }, ldflags: [] },
  helm4: { packages: { helm4: 'helm.sh/helm/v4/cmd/helm' }, ldflags: [] },
} as const;

export type Module = keyof typeof MODULES;

type ProgramsOf<M extends Module> = keyof (typeof MODULES)[M]['packages'];
export type Program = { [M in Module]: ProgramsOf<M> }[Module] & string;

const CACHE = path.join(process.env.XDG_CACHE_HOME || path.join(homedir(), '.cache'), 'cnn-sweep', 'programs');

/** Where a program is, once its module was built. */
export async function programPath(program: Program): Promise<string> {
  const module = (Object.keys(MODULES) as Module[]).find((name) => program in MODULES[name].packages);
  if (module === undefined) throw new Error(`no module builds ${program}`);
  return path.join(await folderOf(module), program);
}

/** Folder of a Go module's own sources, for files that come with a program. */
export async function moduleSource(module: Module, path: string): Promise<string> {
  const { stdout } = await run('go', ['list', '-m', '-f', '{{.Dir}}', path], { cwd: moduleFiles(module) });
  if (stdout.trim()) return stdout.trim();
  await run('go', ['mod', 'download', path], { cwd: moduleFiles(module) });
  return (await run('go', ['list', '-m', '-f', '{{.Dir}}', path], { cwd: moduleFiles(module) })).stdout.trim();
}

/** Builds what is not in the cache yet, and says what it does: the first time takes minutes.
 * @throws an error with Go's own words
 */
export async function buildPrograms(
  modules: readonly Module[] = Object.keys(MODULES) as Module[],
  say = console.log,
): Promise<void> {
  for (const module of modules) {
    const folder = await folderOf(module);
    if (await exists(folder)) continue;
    say(`building ${Object.keys(MODULES[module].packages).join(', ')}, once`);
    await buildModule(module, folder);
  }
}

/** Under a name of its own first, so that a build which was interrupted is not taken for one. */
async function buildModule(module: Module, folder: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const partial = await mkdtemp(`${folder}.partial-`);
  try {
    const { packages, ldflags } = MODULES[module];
    for (const [program, source] of Object.entries(packages)) {
      await run(
        'go',
        [
          'build',
          '-trimpath',
          '-ldflags',
          ['-s', '-w', ...ldflags].join(' '),
          '-o',
          path.join(partial, program),
          source,
        ],
        {
          cwd: moduleFiles(module),
          env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=readonly -buildvcs=false' },
          maxBuffer: 64 * 1024 * 1024,
        },
      );
    }
    await rename(partial, folder).catch(async (error: NodeJS.ErrnoException) => {
      // Somebody else was faster: theirs is the same.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

/** Keyed by all that the programs are built from. */
async function folderOf(module: Module): Promise<string> {
  const hash = createHash('sha256')
    .update(JSON.stringify(MODULES[module]))
    .update(await goVersion());
  const files = await readdir(moduleFiles(module));
  for (const file of files.sort()) hash.update(await readFile(path.join(moduleFiles(module), file)));
  return path.join(CACHE, `${module}-${hash.digest('hex').slice(0, 12)}`);
}

let version: Promise<string> | undefined;
function goVersion(): Promise<string> {
  version ??= run('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH']).then(({ stdout }) => stdout);
  return version;
}

function moduleFiles(module: Module): string {
  return path.join(import.meta.dirname, 'programs', module);
}

/** Whether a file or folder is there. */
export async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

// Without Go no cluster is built: scripts/test.ts leaves its tests out and says so.
if (import.meta.main && (process.env.CI === 'true' || (await hasGo()))) await buildPrograms();

function hasGo(): Promise<boolean> {
  return goVersion().then(
    () => true,
    () => false,
  );
}
