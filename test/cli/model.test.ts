import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { zipSync } from 'fflate';
import { type Models, zipModel } from '../../src/dashboard/models.ts';
import { Store } from '../../src/dashboard/store.ts';
import { makeApp, makeInput, STUDY, tell, UID } from '../dashboard/builders.ts';
import { makeFolder } from '../local/folders.ts';
import { makeCertificate } from '../shared/nats-server.ts';
import { runProgram } from './program.ts';

const FILES = { 'model.json': new TextEncoder().encode('{}'), 'weights.bin': new Uint8Array([1, 2, 3]) };
const WEIGHTS: Models = { zip: async () => zipModel(FILES) };

/** The dashboard's real server with the study in it. @returns how the program is called against it */
async function serve(context: TestContext, { models = WEIGHTS, isOver = true, isKept = true } = {}) {
  const store = new Store();
  const part = isOver ? STUDY : { ...STUDY, results: STUDY.results.slice(0, 4) };
  tell(store, part, isOver ? {} : { phase: 'Running' });
  const entry = store.sweep('local', 'study');
  assert.ok(entry);
  store.judge(entry);
  const trial = entry.verdict.best?.trial ?? -1;
  const uid = entry.records.get(trial)?.attemptUID ?? null;
  if (isKept) store.setModel(UID, trial, uid);
  const app = await makeApp(store, { models });
  context.after(() => app.close());
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }), store, trial };
}

async function download(context: TestContext, url: string, ...more: string[]) {
  const cwd = await makeFolder(context);
  const args = ['model', 'study', '--namespace', 'local', '--dashboard', url, ...more];
  return { cwd, ...(await runProgram(args, { cwd })) };
}

test('the weights of the winner are unpacked, and what they are is said', async (context) => {
  const { url, trial } = await serve(context);
  const { cwd, code, stdout, stderr } = await download(context, url);
  assert.deepEqual([code, stderr], [0, '']);
  const folder = join(cwd, 'study-model');
  const accuracy = (100 * (STUDY.results[trial]?.test?.accuracy ?? Number.NaN)).toFixed(1);
  const said = `model: ${folder} (trial ${trial}, (12,32) relu max, epoch 15, test accuracy ${accuracy} %)\n`;
  assert.equal(stdout, said);
  for (const [name, bytes] of Object.entries(FILES)) {
    assert.deepEqual(new Uint8Array(await readFile(join(folder, name))), bytes);
  }
  assert.deepEqual(await readdir(cwd), ['study-model']);
});

test('of a sweep that runs it is the best so far', async (context) => {
  const { url } = await serve(context, { isOver: false });
  const { code, stdout } = await download(context, url);
  assert.equal(code, 0);
  assert.match(stdout, /^model: .*, epoch 15, the best so far\)\n$/);
});

test('weights that were not kept are no model', async (context) => {
  for (const isKept of [true, false]) {
    const { url, trial } = await serve(context, { isKept, models: { zip: async () => 'missing' } });
    const { cwd, code, stderr } = await download(context, url);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      `study: trial ${trial}, (12,32) relu max, is the best, but its weights are not in the store\n`,
    );
    assert.deepEqual(await readdir(cwd), []);
  }
});

test('a sweep without a verdict has no model', async (context) => {
  const store = new Store();
  store.putSweep(makeInput());
  const app = await makeApp(store);
  context.after(() => app.close());
  const { code, stderr } = await download(context, await app.listen({ host: '127.0.0.1', port: 0 }));
  assert.equal(code, 1);
  assert.match(stderr, /^study: no model: /);
});

test('an unknown sweep, a folder that is there', async (context) => {
  const { url } = await serve(context);
  const unknown = await runProgram(['model', 'stuudy', '--namespace', 'local', '--dashboard', url]);
  assert.equal(unknown.code, 2);
  assert.equal(unknown.stderr, 'cnn-sweep: stuudy: no such sweep in namespace "local"\n');

  const cwd = await makeFolder(context);
  await mkdir(join(cwd, 'mine'));
  await writeFile(join(cwd, 'mine/precious'), 'x');
  const args = ['model', 'study', '--namespace', 'local', '--dashboard', url, '--output', 'mine'];
  const { code, stderr } = await runProgram(args, { cwd });
  assert.equal(code, 2);
  assert.equal(stderr, `cnn-sweep: ${join(cwd, 'mine')}: is there already; choose another --output\n`);
  assert.deepEqual(await readdir(join(cwd, 'mine')), ['precious']);
});

test('nobody at the address', async (context) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  const { code, stderr } = await download(context, `http://127.0.0.1:${port}`);
  assert.equal(code, 1);
  assert.match(
    stderr,
    new RegExp(`^cnn-sweep: the dashboard at 127\\.0\\.0\\.1:${port} does not answer: .*ECONNREFUSED`),
  );
});

/** Somebody else at the address. */
async function impostor(context: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('a dashboard that wants to know who asks gets the token, and says what is missing without', async (context) => {
  const tokens: (string | undefined)[] = [];
  const url = await impostor(context, (request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(401).end('{}');
  });
  const { stderr, code } = await download(context, url);
  assert.equal(stderr, 'cnn-sweep: the dashboard wants to know who asks: give --token-file\n');
  assert.equal(code, 2);
  const cwd = await makeFolder(context);
  await writeFile(join(cwd, 'token'), 'secret\n');
  await download(context, url, '--token-file', join(cwd, 'token'));
  assert.deepEqual(tokens, [undefined, 'Bearer secret']);
});

test('over TLS an authority of one’s own is trusted if it is named, and else it is said why not', async (context) => {
  const { certFile, keyFile } = await makeCertificate(await makeFolder(context));
  const options = { cert: await readFile(certFile), key: await readFile(keyFile) };
  const server = createTlsServer(options, (_request, response) => response.writeHead(401).end('{}'));
  server.listen(0, '127.0.0.1');
  context.after(() => server.close());
  await once(server, 'listening');
  const url = `https://localhost:${(server.address() as AddressInfo).port}`;
  const args = ['model', 'study', '--namespace', 'local', '--dashboard', url];
  const named = await runProgram(args, { env: { NODE_EXTRA_CA_CERTS: certFile } });
  assert.equal(named.stderr, 'cnn-sweep: the dashboard wants to know who asks: give --token-file\n');
  const { stderr } = await runProgram(args, { env: { NODE_EXTRA_CA_CERTS: '' } });
  assert.match(stderr, /^cnn-sweep: the dashboard at localhost:\d+ does not answer: self-signed certificate/);
});

/** An API server with one Pod, a dashboard's. @returns the environment of who talks to it */
async function clusterWith(context: TestContext, pod: object): Promise<NodeJS.ProcessEnv> {
  const metadata = { name: 'cnn-sweep-dashboard-5d9f', namespace: 'ours', uid: 'u', resourceVersion: '1' };
  const status = { conditions: [{ type: 'Ready', status: 'True' }] };
  const server = await impostor(context, ({ url = '' }, response) => {
    const isPods = url.startsWith('/api/v1/namespaces/ours/pods?');
    response.writeHead(isPods ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [{ metadata, status, ...pod }] }));
  });
  const named = (kind: string, what: object) => [{ name: 'x', [kind]: what }];
  const KUBECONFIG = join(await makeFolder(context), 'kubeconfig');
  await writeFile(
    KUBECONFIG,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'x' },
      clusters: named('cluster', { server, 'insecure-skip-tls-verify': true }),
      users: named('user', {}),
      contexts: named('context', { cluster: 'x', user: 'x', namespace: 'ours' }),
    }),
  );
  return { KUBECONFIG };
}

test('a dashboard whose Pod serves TLS is not asked through a forwarded port, and what to give is said', async (context) => {
  const ports = [{ name: 'https', containerPort: 8080 }, { name: 'metrics', containerPort: 9090 }]; // biome-ignore format: one line
  const env = await clusterWith(context, { spec: { containers: [{ ports }] } });
  const { code, stderr } = await runProgram(['model', 'study'], { cwd: await makeFolder(context), env });
  assert.equal(
    stderr,
    'cnn-sweep: Pod ours/cnn-sweep-dashboard-5d9f serves TLS, with a certificate for its own name and not for a forwarded port: ' +
      'give --dashboard https://<its name>\n',
  );
  assert.equal(code, 2);
});

test('a dashboard whose Pod speaks plainly is asked through a forwarded port', async (context) => {
  const env = await clusterWith(context, { spec: { containers: [{ ports: [{ name: 'http' }, {}] }, {}] } });
  const { code, stderr } = await runProgram(['model', 'study'], { cwd: await makeFolder(context), env });
  assert.match(
    stderr,
    /port-forward to cnn-sweep-dashboard-5d9f: Unexpected server response: 404\n.*the dashboard at 127\.0\.0\.1:\d+ does not answer/,
  );
  assert.equal(code, 1);
});

test('an archive that would leave its folder is refused, and nothing is left', async (context) => {
  const archive = zipSync({ 'model.json': new Uint8Array(), '../evil': new Uint8Array([1]) });
  const best = { trial: 0, network: '(3)', epoch: 1 };
  const verdict = JSON.stringify({ best, message: '', isFinal: true, hasModel: true, test: null });
  const url = await impostor(context, (request, response) => {
    response.end(request.url?.endsWith('/model') ? Buffer.from(archive) : verdict);
  });
  const { cwd, code, stderr } = await download(context, url);
  assert.equal(code, 1);
  assert.equal(stderr, 'cnn-sweep: the model\'s archive holds "../evil"\n');
  assert.deepEqual(await readdir(cwd), []);
});

test('a dashboard that has too much to do is asked again when it says', async (context) => {
  const { url } = await serve(context);
  let refusals = 2;
  const busy: RequestListener = (request, response) => {
    if (refusals-- > 0) response.writeHead(503, { 'retry-after': '1' }).end('{}');
    else void fetch(`${url}${request.url}`).then(async (answer) => response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()))); // biome-ignore format: one line
  };
  const server = createServer(busy).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const { code, stderr } = await download(context, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  assert.deepEqual([code, stderr, refusals], [0, '', -2]);
});

test('an answer that is a mistake of the server is told', async (context) => {
  const url = await impostor(context, (_request, response) => {
    response.writeHead(503).end('{"title":"not now"}');
  });
  const { code, stderr } = await download(context, url);
  assert.equal(code, 1);
  assert.equal(stderr, 'cnn-sweep: the dashboard answers 503: {"title":"not now"}\n');
});
