import { readFile } from 'node:fs/promises';

/** Ports of a connection: ours and the other side's. */
export interface Ports {
  readonly localPort?: number | undefined;
  readonly remotePort?: number | undefined;
}

/** How often the kernel has sent again what nobody acknowledges, by connection. */
export type Unanswered = (ports: Ports) => number;

const TABLES = ['/proc/self/net/tcp', '/proc/self/net/tcp6'];
const LINE = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:([0-9A-F]{4}) \S+ \S+ \S+ ([0-9A-F]{8}) /;

/** Asks the kernel. Node can set no TCP_USER_TIMEOUT, and keep-alive probes are not sent while anything is on its way: without this a
 * client that is gone without a word, of a busy stream, would stay for a quarter of an hour. Elsewhere than on Linux it does.
 */
export async function readUnanswered(): Promise<Unanswered> {
  const tables = await Promise.all(TABLES.map((path) => readFile(path, 'utf8').catch(() => '')));
  return parseUnanswered(tables.join('\n'));
}

/** @param table as /proc/net/tcp has it: ports and the count of retransmissions are hexadecimal */
export function parseUnanswered(table: string): Unanswered {
  const counts = new Map<string, number>();
  for (const line of table.split('\n')) {
    const [, local, remote, times] = LINE.exec(line) ?? [];
    if (local === undefined || remote === undefined || times === undefined) continue;
    const key = keyOf({ localPort: Number.parseInt(local, 16), remotePort: Number.parseInt(remote, 16) });
    const count = Number.parseInt(times, 16);
    // Two addresses may have the same ports: none of them is taken for dead unless all are.
    counts.set(key, Math.min(count, counts.get(key) ?? count));
  }
  return (ports) => counts.get(keyOf(ports)) ?? 0;
}

function keyOf({ localPort, remotePort }: Ports): string {
  return `${localPort} ${remotePort}`;
}
