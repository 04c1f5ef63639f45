import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/** Where a part of the cluster runs. */
export interface Box {
  /** Address of the programs in it, as seen from the tests. */
  readonly address: string;
  /** A command line that runs `command` in the box. */
  wrap(command: readonly string[]): readonly string[];
  /** The process id, on this machine, of what `wrap` started. */
  pidOf(child: ChildProcess): Promise<number>;
  /** Ends everything that runs in it, at once. */
  close(): Promise<void>;
}

/** The machine itself, on loopback: enough for a control plane, and needs no rights.
 * Each program dies with the tests that started it, where the machine can do that (Linux).
 */
export function openLoopback(): Box {
  return {
    address: '127.0.0.1',
    wrap: (command) => (process.platform === 'linux' ? ['setpriv', '--pdeathsig', 'KILL', '--', ...command] : command),
    pidOf: async (child) => child.pid ?? 0,
    close: async () => undefined,
  };
}

const INSIDE = '10.77.0.1';

// The first process of the box: sets up its network, says that it is ready, and lives as long as somebody holds its input.
// The network plugins name each Pod's namespace by a file in /run/netns, which would stay if it were the machine's.
// A bridge carries the node's address, since some kernels have no dummy device; the other end of a veth pair is the machine's.
const INIT = `
set -e
ip link set lo up
ip link add eth0 type bridge
ip addr add ${INSIDE}/24 dev eth0
ip link set eth0 up
ip route add default via 10.77.0.254
echo 1 > /proc/sys/net/ipv4/ip_forward
mkdir -p /run/netns
mount -t tmpfs pods /run/netns
mount --make-rshared /
echo ready
exec cat
`;

/** Namespaces of its own for network, processes and mounts: whatever runs in it, its mounts, links, addresses and iptables
 * rules are gone when its first process is, and that dies with the tests. Needs root.
 */
export async function openNamespaces(): Promise<Box> {
  const shell = ['sh', '-c', INIT];
  const unshare = ['unshare', '--net', '--pid', '--mount', '--fork', '--kill-child', '--mount-proc', ...shell];
  const outer = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...unshare], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true, // Ctrl-C is for the tests: they end the box
  });
  const ended = once(outer, 'exit');
  const [line] = (await Promise.race([once(createInterface(outer.stdout), 'line'), ended])) as [unknown];
  if (line !== 'ready') throw new Error('no namespaces could be made; the real node needs root on Linux');
  const init = await childOf(outer.pid ?? 0);
  const link = await linkTo(init);
  return {
    address: link.inside,
    wrap: (command) => ['nsenter', '--target', String(init), '--net', '--pid', '--mount', '--', ...command],
    // nsenter stays outside and waits: its only child is the program.
    pidOf: async ({ pid = 0 }) => childOf(pid),
    close: async () => {
      outer.stdin.end();
      await ended;
    },
  };
}

/** A pair of interfaces between this machine and the box, on a small network that nobody else uses. */
async function linkTo(init: number): Promise<{ inside: string }> {
  for (let net = 0; net < 64; net++) {
    const name = `cnnsweep${net}`;
    const [outside, inside] = [`10.78.${net}.1`, `10.78.${net}.2`];
    const enter = `nsenter --target ${init} --net`;
    const script = `
      ip link add ${name} type veth peer name up0 netns ${init} 2>/dev/null || exit 9
      set -e
      ip addr add ${outside}/30 dev ${name}
      ip link set ${name} up
      ${enter} ip addr add ${inside}/30 dev up0
      ${enter} ip link set up0 up`;
    const shell = spawn('sh', ['-c', script], { stdio: 'inherit' });
    const [code] = (await once(shell, 'exit')) as [number];
    if (code === 0) return { inside };
    if (code !== 9) break;
  }
  throw new Error('no link to the namespaces could be made');
}

/** The only child of a process, once it has one. */
async function childOf(pid: number): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    const [first] = children.trim().split(' ');
    if (first) return Number(first);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} started nothing`);
}
