// Runs the tests: all of them, or those that are named. Tests that need a Kubernetes cluster are left out, with one line that says
// what they need, where none can be built; with CI=true they run and fail.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';

/** Folders of tests, and what a machine must have for them. */
const NEEDS: Readonly<Record<string, { readonly programs: readonly string[]; readonly root: boolean }>> = {
  'test/k8s': { programs: ['go'], root: false },
  'test/charts': { programs: ['go'], root: false },
  'test/cluster': { programs: ['go', 'containerd', 'runc', 'iptables', 'buildah', 'debootstrap'], root: true },
  'test/e2e': { programs: ['go', 'containerd', 'runc', 'iptables', 'buildah', 'debootstrap'], root: true },
};

const TAKES_ALL_CORES = 'test/controller/simulation.test.ts';

const named = process.argv.slice(2);
const patterns = named.length > 0 ? named : ['test/**/*.test.ts'];
const left: string[] = [];
if (process.env.CI !== 'true') {
  for (const [folder, needs] of Object.entries(NEEDS)) {
    const missing = needs.programs.filter((program) => !isInstalled(program));
    if (needs.root && (process.platform !== 'linux' || process.getuid?.() !== 0)) missing.unshift('root on Linux');
    if (missing.length === 0) continue;
    left.push(`${folder}/**`);
    process.stderr.write(`${folder} is left out: its cluster needs ${missing.join(', ')}\n`);
  }
}
// Half of the time a test waits for a process, a browser or a clock: two files at once also on two cores.
const concurrency = Math.max(2, availableParallelism() - 1);
// On a terminal the runner's own reporter ends with the tests that failed.
const reporters = process.stdout.isTTY ? [] : ['tap', './scripts/failed-tests.ts'];
const flags = reporters.flatMap((reporter, index) => [
  `--test-reporter=${reporter}`,
  `--test-reporter-destination=${index === 0 ? 'stdout' : 'stderr'}`,
]);
const files = ordered(await filesOf(patterns, left));
const { status } = spawnSync(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...flags, ...files], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;

function isInstalled(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The files themselves: the test runner cannot leave folders out. */
async function filesOf(patterns: readonly string[], leftOut: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob([...patterns], { exclude: [...leftOut] })) files.push(file);
  return files.sort((a, b) => (a < b ? -1 : 1));
}

/** In the order in which they are begun. Those that need a cluster with a node are far from each other: two at once would want more than
 * most machines have. What takes all cores by itself is first, beside small ones.
 */
function ordered(files: readonly string[]): string[] {
  const isLarge = (file: string) =>
    Object.entries(NEEDS).some(([folder, { root }]) => root && file.startsWith(`${folder}/`));
  const large = files.filter(isLarge);
  const small = files.filter((file) => !isLarge(file) && file !== TAKES_ALL_CORES);
  const stride = Math.max(1, small.length / large.length);
  return [
    ...files.filter((file) => file === TAKES_ALL_CORES),
    ...large.flatMap((file, at) => [file, ...small.slice(Math.ceil(at * stride), Math.ceil((at + 1) * stride))]),
    ...small.slice(Math.ceil(large.length * stride)),
  ];
}
