import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import { CHART, helm, type Values, valuesArgs } from '../charts/helm.ts';
import { type ClusterWithNode, startCluster } from '../cluster/cluster.ts';
import { until } from '../cluster/controller.ts';
import { buildImages, whyNoImages } from '../cluster/images.ts';
import { programPath } from '../cluster/programs.ts';

const why = await whyNoImages();
const skip = why !== undefined && process.env.CI !== 'true' ? why : false;

const NAMESPACE = 'vision';
const NAME = 'cnn-sweep-dashboard';
const SWEEP = {
  apiVersion: 'cnn-sweep.dev/v1alpha1',
  kind: 'Sweep',
  metadata: { name: 'study', namespace: NAMESPACE },
  spec: { grid: [{ widths: [[3, 8]] }], suspend: true },
};

const ASKER = `
  const { get } = require('node:http');
  const outcomes = {};
  let isOver = false;
  process.stdin.on('end', () => { isOver = true; }).resume();
  const ask = () => new Promise((resolve) => {
    const asking = get(process.argv[1], { agent: false, timeout: 10_000 }, (answer) => {
      answer.resume().on('close', () => resolve(answer.complete ? answer.statusCode : 'cut'));
    });
    asking.on('timeout', () => { resolve('timeout'); asking.destroy(); }).on('error', ({ code }) => resolve(code));
  });
  (async () => {
    console.log('asking');
    while (!isOver) {
      const outcome = await ask();
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    console.log(JSON.stringify(outcomes));
  })();`;

// The image as it is built, in Pods of a real kubelet, as the chart starts them.
describe('the dashboard in its Pod', { skip, timeout: 1_200_000 }, () => {
  let cluster: ClusterWithNode;
  const kubectl = (...args: string[]) => cluster.kubectl('--namespace', NAMESPACE, ...args);
  const ours = () => ({ KUBECONFIG: cluster.kubeconfig });

  before(async () => {
    const images = await buildImages(['controller']);
    cluster = await startCluster();
    await cluster.node.loadImage(images.controller.archive);
    await cluster.kubectl('create', 'namespace', NAMESPACE);
    await cluster.kubectl('label', 'namespace', NAMESPACE, 'pod-security.kubernetes.io/enforce=restricted');
    await release('install', {});
    await cluster.apply(JSON.stringify(SWEEP));
  });
  after(async () => {
    await (cluster as ClusterWithNode | undefined)?.stop(); // not there if its start failed
  });

  const release = (command: 'install' | 'upgrade', dashboard: Values) => {
    const image = { registry: 'localhost', repository: 'cnn-sweep', tag: 'test', pullPolicy: 'Never' };
    const values = valuesArgs({ image, nats: { enabled: false }, dashboard });
    const args = [command, 'cnn-sweep', CHART, '--namespace', NAMESPACE, '--wait', '--timeout=3m', ...values];
    return helm('helm', args, ours());
  };

  /** What a program of another Pod gets: the status and the body, or why it gets nothing. */
  const askFromInside = (url: string, headers: Record<string, string> = {}) => {
    const script = `fetch(${JSON.stringify(url)}, ${JSON.stringify({ headers })}).then(
      async (answer) => console.log(answer.status, await answer.text()), (error) => console.log(error.cause.code))`;
    return kubectl('exec', 'deployment/cnn-sweep-controller', '--', 'node', '--eval', script);
  };

  test('port-forward reaches the page, its script and the API, by no other name than its own', async () => {
    const { port, stop } = await forward();
    try {
      const page = await fetch(`http://127.0.0.1:${port}/`);
      assert.equal(page.status, 200);
      const script = /<script type="module"[^>]* src="\.\/([^"]+)"/.exec(await page.text())?.[1];
      const code = await fetch(`http://127.0.0.1:${port}/${script}`);
      assert.match(`${code.headers.get('content-type')}`, /javascript/);
      assert.ok((await code.text()).length > 10_000);
      const { items } = (await (await fetch(`http://127.0.0.1:${port}/api/v1/sweeps`)).json()) as {
        items: { name: string; namespace: string }[];
      };
      assert.deepEqual(
        items.map(({ name, namespace }) => `${namespace}/${name}`),
        [`${NAMESPACE}/study`],
      );
      assert.equal((await get(port, 'sweeps.evil.test')).status, 403);
    } finally {
      await stop();
    }
  });

  test('no other Pod reaches the page, and whoever scrapes reaches its metrics', async () => {
    const address = await kubectl(
      ...['get', 'pods', '--selector=app.kubernetes.io/component=dashboard'],
      '--output=jsonpath={.items[0].status.podIP}',
    );
    assert.equal(await askFromInside(`http://${address}:8080/`), 'ECONNREFUSED\n');
    assert.match(await askFromInside(`http://${NAME}-metrics:9090/metrics`), /^200 [\s\S]*component="dashboard"/);
  });

  test('helm test finds it ready', async () => {
    const said = await helm('helm', ['test', 'cnn-sweep', '--namespace', NAMESPACE, '--timeout=3m'], ours());
    assert.match(said, /TEST SUITE: +cnn-sweep-test\n.*\n.*\nPhase: +Succeeded/);
  });

  test('with tokens two of them answer at their Service, to whom they know', async () => {
    await release('upgrade', { auth: { mode: 'token' }, replicas: 2 });
    await onlyTwoAreLeft(); // helm does not wait for the end of the one before, which no other Pod reached
    const url = `http://${NAME}:8080/api/v1/sweeps`;
    assert.match(await askFromInside(url), /^401 /);
    await kubectl('create', 'serviceaccount', 'reader');
    const token = (await kubectl('create', 'token', 'reader', '--audience=cnn-sweep')).trim();
    assert.match(await askFromInside(url, { authorization: `Bearer ${token}` }), /^200 {"items":\[\]/);
    await kubectl('create', 'rolebinding', 'reader', '--clusterrole=view', `--serviceaccount=${NAMESPACE}:reader`);
    const fresh = (await kubectl('create', 'token', 'reader', '--audience=cnn-sweep')).trim();
    // Of two replicas one remembers for a minute that there was no right.
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => askFromInside(url, { authorization: `Bearer ${fresh}` })),
    );
    assert.ok(
      answers.some((answer) => answer.includes('"name":"study"')),
      answers.join(''),
    );
  });

  test('while one after the other is replaced, every new connection to their Service is answered', async () => {
    const asking = await askOn(`http://${NAME}:8080/`);
    await kubectl('rollout', 'restart', `deployment/${NAME}`);
    await kubectl('rollout', 'status', `deployment/${NAME}`, '--timeout=3m');
    await onlyTwoAreLeft();
    const { 200: answered = 0, ...others } = await asking.stop();
    assert.deepEqual(others, {});
    assert.ok(answered > 100, `${answered} answers`);
  });

  async function onlyTwoAreLeft(): Promise<void> {
    const all = ['get', 'pods', '--selector=app.kubernetes.io/component=dashboard', '--output=name'];
    const areTwo = async () => (await kubectl(...all)).trim().split('\n').length === 2 || undefined;
    await until(areTwo, 'the end of the old Pods', 60_000);
  }

  /** A program of another Pod that opens one connection after the other until it is stopped: how many had which outcome. */
  async function askOn(url: string): Promise<{ stop: () => Promise<Record<string, number>> }> {
    const inside = ['exec', '--stdin', 'deployment/cnn-sweep-controller', '--', 'node', '--eval', ASKER, url];
    const args = ['--kubeconfig', cluster.kubeconfig, '--namespace', NAMESPACE, ...inside];
    const child = spawn(await programPath('kubectl'), args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'asking');
    return {
      stop: async () => {
        child.stdin.end();
        return JSON.parse((await lines.next()).value);
      },
    };
  }

  /** On a port of this machine that is free. */
  async function forward(): Promise<{ port: number; stop: () => Promise<void> }> {
    const args = ['--namespace', NAMESPACE, 'port-forward', `deployment/${NAME}`, ':8080'];
    const child = spawn(await programPath('kubectl'), ['--kubeconfig', cluster.kubeconfig, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of createInterface(child.stdout)) {
      const port = /^Forwarding from 127\.0\.0\.1:(\d+) -> 8080$/.exec(line)?.[1];
      if (port !== undefined) return { port: Number(port), stop: () => end(child) };
    }
    throw new Error('kubectl port-forward ended');
  }
});

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

/** The API by another name. */
async function get(port: number, host: string): Promise<{ status: number | undefined; body: string }> {
  const asking = request({ host: '127.0.0.1', port, path: '/api/v1/sweeps', headers: { host }, agent: false }).end();
  const [answer] = (await once(asking, 'response')) as [import('node:http').IncomingMessage];
  return { status: answer.statusCode, body: await text(answer) };
}
