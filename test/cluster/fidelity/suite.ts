import path from 'node:path';
import { fetch } from 'undici';
import { openWire, readKubeConfigFile } from '../../../src/shared/cluster.ts';
import { ROOT } from '../../../src/shared/package.ts';
import type { Wire } from '../../../src/shared/wire.ts';
import { FakeApiServer } from '../../fakes/api-server.ts';
import type { Cluster } from '../cluster.ts';
import type { Flags } from '../control-plane.ts';
import { until } from '../controller.ts';
import { established } from '../established.ts';
import { KIND_NAMES, KINDS, scriptOf } from './script.ts';
import { Transcriber } from './transcript.ts';

/** Where the two say something else, with the way to see it again. */
export interface Difference {
  readonly seed: number;
  readonly words: string;
}

interface Pair {
  readonly seed: number;
  readonly server: FakeApiServer;
  readonly model: Transcriber;
  readonly real: Transcriber;
}

/** Scripts at once: each has a namespace of its own. */
const AT_ONCE = 12;
const COLLECTED_MS = 30_000;

/** What the suite needs of a cluster: etcd and API server, and a controller manager that collects garbage and is not started yet. */
export const FLAGS: Flags = { 'kube-controller-manager': ['--controllers=garbage-collector-controller'] };

export async function installForFidelity(cluster: Cluster): Promise<void> {
  await cluster.kubectl('apply', '--server-side', '-f', path.join(ROOT, 'k8s/crds'));
  await established(cluster);
}

/** Runs the scripts of some seeds on the real API server and on the model of it, and says where they differ: first step by step, then when
 * the past is forgotten, then once the garbage is collected. A script that differed goes no further.
 */
export async function compareAll(cluster: Cluster, seeds: readonly number[]): Promise<Difference[]> {
  const differences: Difference[] = [];
  const wire = openWire(() => readKubeConfigFile(cluster.kubeconfig));
  const compare = async (pairs: readonly Pair[], play: (pair: Pair) => Promise<void>) => {
    const agreed: Pair[] = [];
    await inParallel(pairs, async (pair) => {
      await play(pair);
      const words = differenceOf(pair.model.lines, pair.real.lines);
      if (words === undefined) agreed.push(pair);
      else differences.push({ seed: pair.seed, words });
    });
    return agreed;
  };
  try {
    const pairs = seeds.map((seed) => pairOf(seed, wire));
    const agreed = await compare(pairs, async ({ seed, model, real }) => {
      await createNamespace(wire, namespaceOf(seed));
      await model.run(scriptOf(seed));
      await real.run(scriptOf(seed));
    });
    // Whoever read last has otherwise seen all that there is, and a watch from there misses nothing.
    for (const at of [1, 2, 3]) await createNamespace(wire, `elsewhere-${at}`);
    await forget(cluster);
    const still = await compare(agreed, async ({ server, model, real }) => {
      server.store.skip(1); // as in the cluster, elsewhere
      server.store.compact();
      await model.afterForgetting();
      await real.afterForgetting();
    });
    await cluster.parts['kube-controller-manager'].start();
    await compare(
      still.filter(({ server }) => !isRace(server)),
      collect,
    );
  } finally {
    await wire.close();
  }
  return differences.sort((a, b) => a.seed - b.seed);
}

/** What a model says to a script, without any cluster. */
export async function transcriptOf(seed: number, wire: Wire): Promise<readonly string[]> {
  const model = new Transcriber(wire, namespaceOf(seed));
  await model.run(scriptOf(seed));
  return model.lines;
}

function pairOf(seed: number, wire: Wire): Pair {
  const server = new FakeApiServer();
  const namespace = namespaceOf(seed);
  return { seed, server, model: new Transcriber(server.wire(), namespace), real: new Transcriber(wire, namespace) };
}

function namespaceOf(seed: number): string {
  return `seed-${seed}`;
}

async function createNamespace(wire: Wire, name: string): Promise<void> {
  const body = JSON.stringify({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  const signal = AbortSignal.timeout(30_000);
  const request = {
    method: 'POST',
    path: '/api/v1/namespaces',
    contentType: 'application/json',
    body,
    signal,
  } as const;
  const { status, body: answer } = await wire.exchange(request);
  for await (const _ of answer);
  if (status !== 201) throw new Error(`namespace ${name}: ${status}`);
}

/** All that is not the present: etcd's revisions, and what the API server keeps of them. */
async function forget(cluster: Cluster): Promise<void> {
  const { api, parts } = cluster;
  const ask = async (what: string, body: object) => {
    const answer = await fetch(`${api.etcdUrl}/v3/kv/${what}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd: ${what}: ${await answer.text()}`);
    return (await answer.json()) as { header: { revision: string } };
  };
  await parts['kube-apiserver'].stop();
  const { header } = await ask('range', { key: Buffer.from('/').toString('base64'), limit: '1' });
  await ask('compaction', { revision: header.revision });
  await parts['kube-apiserver'].start();
  const served = () =>
    cluster.kubectl('get', 'sweeps,trialresultslices').then(
      () => true as const,
      () => undefined,
    );
  await until(served, 'our kinds are served', 60_000);
}

/** Whether something is to be orphaned whose kind is another than its owner's. The collector watches each kind by itself: if it sees the
 * owner's end first, it knows of no orphan and removes it later. Both ends are Kubernetes'.
 */
function isRace({ store }: FakeApiServer): boolean {
  const all = KIND_NAMES.flatMap((name) => store.list(KINDS[name].plural).map((object) => ({ name, object })));
  return all.some(({ name, object: { metadata } }) => {
    if (!metadata.finalizers?.includes('orphan')) return false;
    const owned = all.filter(({ object }) => object.metadata.ownerReferences?.some(({ uid }) => uid === metadata.uid));
    return owned.some((other) => other.name !== name);
  });
}

/** The garbage collector's work: in the model at once, in the cluster when it has come to it. */
async function collect({ server, model, real }: Pair): Promise<void> {
  while (server.store.collectGarbage());
  const wanted = await model.snapshot();
  let found = '';
  const isSame = async () => {
    found = await real.snapshot();
    return found === wanted ? true : undefined;
  };
  await until(isSame, 'the same garbage', COLLECTED_MS, 500).catch(() => undefined);
  model.lines.push(`collected → ${wanted}`);
  real.lines.push(`collected → ${found}`);
}

/** The first line that differs, with some that lead to it. */
export function differenceOf(model: readonly string[], real: readonly string[]): string | undefined {
  const at = Array.from({ length: Math.max(model.length, real.length) }, (_, line) => line).find(
    (line) => model[line] !== real[line],
  );
  if (at === undefined) return undefined;
  return [...real.slice(Math.max(0, at - 6), at), `MODEL ${model[at]}`, `REAL  ${real[at]}`].join('\n');
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
