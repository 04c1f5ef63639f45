import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openCluster } from '../../src/shared/calls.ts';
import { openWire, readKubeConfigFile } from '../../src/shared/cluster.ts';
import { LEASES } from '../../src/shared/kinds.ts';
import { readLines } from '../../src/shared/lines.ts';
import { decodeWatchEvent } from '../../src/shared/watch-event.ts';
import type { Wire } from '../../src/shared/wire.ts';
import { FakeApiServer } from '../fakes/api-server.ts';
import { type Cluster, startControlPlane } from './cluster.ts';
import { compareAll, differenceOf, FLAGS, installForFidelity, transcriptOf } from './fidelity/suite.ts';
import { WRONG_MODELS } from './fidelity/wrong-models.ts';
import { run } from './run.ts';

const missing = await run(['go', 'version']).then(
  () => undefined,
  () => 'a real API server is built with Go, which is not there',
);
const options = missing !== undefined && process.env.CI !== 'true' ? { skip: missing } : {};

/** 500 in `make campaign`. */
const SCRIPTS = 150;
const seeds = Array.from({ length: SCRIPTS }, (_, seed) => seed);

describe('the API server of the simulation', { ...options, timeout: 300_000 }, () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startControlPlane(['etcd', 'kube-apiserver'], { flags: FLAGS });
    await installForFidelity(cluster);
  });
  after(() => (cluster as Cluster | undefined)?.stop()); // not there if its start failed

  // The real one promises no bookmark: of a kind that nothing has happened to lately it may send none.
  test('a quiet watch ends when it was asked to, with no more than bookmarks shortly before', async () => {
    const wire = openWire(() => readKubeConfigFile(cluster.kubeconfig));
    // A second bookmark says nothing more.
    const real = [...new Set(await watchQuietly(wire))];
    await wire.close();
    const model = await watchQuietly(new FakeApiServer().wire());
    assert.equal(model.length, 2);
    assert.deepEqual(real, model.slice(-real.length));
  });

  test(`does what the real one does, in ${SCRIPTS} scripts`, async () => {
    const differences = await compareAll(cluster, seeds);
    const lines = differences.map(
      ({ seed, words }) => `seed ${seed}:\n${words}\n  replay: node test/cluster/fidelity/main.ts --seed ${seed}`,
    );
    assert.equal(lines.length, 0, lines.join('\n')); // whole: the runner cuts what it compares
  });
});

describe('a model of the API server that is wrong is noticed', () => {
  for (const [sentence, open] of Object.entries(WRONG_MODELS)) {
    test(sentence, async () => {
      let differing = 0;
      for (const seed of seeds) {
        const right = await transcriptOf(seed, new FakeApiServer().wire());
        if (differenceOf(await transcriptOf(seed, open()), right) !== undefined) differing++;
      }
      assert.ok(differing > 1, `${differing} of ${SCRIPTS} scripts notice it`);
    });
  }
});

/** What a watch tells on which nothing happens: the kinds of its events, whether they are near its end, and whether they have its version. */
async function watchQuietly(wire: Wire): Promise<readonly string[]> {
  const calls = openCluster(wire);
  const { apiVersion, kind } = LEASES;
  await calls.create(LEASES, { apiVersion, kind, metadata: { namespace: 'default', name: 'quiet' } });
  const { resourceVersion } = await calls.list(LEASES, { namespace: 'default' });
  const signal = AbortSignal.timeout(30_000);
  const begun = performance.now();
  const timeoutSeconds = 10;
  const query = { namespace: 'default', resourceVersion, timeoutSeconds, signal };
  const when = () => {
    const left = timeoutSeconds - (performance.now() - begun) / 1000;
    return left > 5 ? 'early' : left > 0.5 ? 'shortly before its end' : left > -3 ? 'at its end' : 'late';
  };
  const told: string[] = [];
  for await (const line of readLines(await calls.watch(LEASES, query), 1e6)) {
    const { type, version } = decodeWatchEvent(line);
    told.push(`${type} ${when()}, ${version >= BigInt(resourceVersion) ? 'not older' : 'older'}`);
  }
  return [...told, `over ${when()}`];
}
