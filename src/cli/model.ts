import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { unzipSync } from 'fflate';
import { Agent, interceptors, request } from 'undici';
import { namespaceOf, readKubeConfig } from '../shared/cluster.ts';
import { exists, makeFolder, TEMPORARY } from '../shared/durable.ts';
import { InvalidConfigError, SweepError } from '../sweep/errors.ts';
import { formatAccuracy } from '../sweep/figures.ts';
import { MAX_MODEL_BYTES } from '../sweep/message.ts';
import { type DashboardOptions, findDashboard } from './find-dashboard.ts';
import type { Output } from './output.ts';

export interface ModelOptions extends DashboardOptions {
  /** Of the sweep; absent: the namespace of the kubeconfig's context. */
  readonly namespace?: string;
  /** Where the model goes; absent: `<sweep>-model`. */
  readonly output?: string;
  /** For a dashboard that wants to know who asks. */
  readonly tokenFile?: string;
}

/** What this command reads of the dashboard's answer (src/dashboard/api.ts). */
interface Verdict {
  readonly best: { readonly trial: number; readonly network: string; readonly epoch: number } | null;
  readonly message: string;
  readonly isFinal: boolean;
  readonly hasModel: boolean;
  readonly test: { readonly accuracy: number } | null;
}

/** Downloads the weights of a sweep's winner, so far if it still runs. @returns exit code: 0, or 1 if there is none */
export async function model(sweep: string, options: ModelOptions, output: Output): Promise<number> {
  const folder = resolve(options.output ?? `${basename(sweep)}-model`);
  if (await exists(folder)) throw new InvalidConfigError(`${folder}: is there already; choose another --output`);
  const namespace = options.namespace ?? namespaceOf(readKubeConfig()) ?? 'default';
  const dashboard = await findDashboard(options, output.note);
  try {
    const path = `/api/v1/sweeps/${encodeURIComponent(namespace)}/${encodeURIComponent(sweep)}`;
    const token = options.tokenFile === undefined ? undefined : (await readFile(options.tokenFile, 'utf8')).trim();
    const get = (what: string) => fetchBytes(`${dashboard.url}${path}${what}`, token);
    const answer = await get('/verdict');
    if (answer === 'missing') throw new InvalidConfigError(`${sweep}: no such sweep in namespace "${namespace}"`);
    const verdict: Verdict = JSON.parse(new TextDecoder().decode(answer));
    if (!verdict.best) {
      output.note(`${sweep}: no model: ${verdict.message}`);
      return 1;
    }
    const { trial, network, epoch } = verdict.best;
    const archive = verdict.hasModel ? await get(`/trials/${trial}/model`) : 'missing';
    if (archive === 'missing') {
      output.note(`${sweep}: trial ${trial}, ${network}, is the best, but its weights are not in the store`);
      return 1;
    }
    await unpack(archive, folder);
    const tested = verdict.test ? `, test accuracy ${formatAccuracy(verdict.test.accuracy)}` : '';
    const soFar = verdict.isFinal ? '' : ', the best so far';
    output.print(`model: ${folder} (trial ${trial}, ${network}, epoch ${epoch}${soFar}${tested})`);
    return 0;
  } finally {
    await dashboard.close();
  }
}

/** A dashboard that has too much to do says when to come again. Whatever else it answers is an answer. */
const patient = new Agent().compose(
  interceptors.retry({ statusCodes: [429, 503], errorCodes: [], maxRetries: 5, throwOnError: false }),
);

async function fetchBytes(url: string, token: string | undefined): Promise<Uint8Array | 'missing'> {
  const response = await request(url, {
    dispatcher: patient,
    headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }) },
  }).catch((cause: unknown) => {
    const { host } = new URL(url);
    throw new SweepError('Unreachable', `the dashboard at ${host} does not answer: ${reasonOf(cause)}`, { cause });
  });
  const bytes = new Uint8Array(await response.body.arrayBuffer());
  if (response.statusCode === 404) return 'missing';
  if (response.statusCode === 401)
    throw new InvalidConfigError('the dashboard wants to know who asks: give --token-file');
  if (response.statusCode === 200) return bytes;
  throw new SweepError(
    'Refused',
    `the dashboard answers ${response.statusCode}: ${new TextDecoder().decode(bytes).slice(0, 300)}`,
  );
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message || cause.name : `${cause}`;
}

/** The archive comes from a Pod that anybody's code may have run in. @throws SweepError for what no model of ours has */
function isExpected({ name, originalSize }: { readonly name: string; readonly originalSize: number }): boolean {
  const isOurs = name === 'model.json' || name === 'weights.bin';
  if (!isOurs) throw new SweepError('Damaged', `the model's archive holds ${JSON.stringify(name)}`);
  if (originalSize > MAX_MODEL_BYTES)
    throw new SweepError('Damaged', `${name}: ${originalSize} bytes; at most ${MAX_MODEL_BYTES}`);
  return true;
}

/** All files or none. */
async function unpack(archive: Uint8Array, folder: string): Promise<void> {
  const partial = `${folder}.${process.pid}${TEMPORARY}`;
  try {
    await makeFolder(partial);
    for (const [name, bytes] of Object.entries(unzipSync(archive, { filter: isExpected }))) {
      await writeFile(join(partial, name), bytes);
    }
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}
