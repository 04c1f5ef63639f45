import { request } from 'undici';
import { ApiError, isApiError } from '../shared/api-error.ts';
import type { Ref } from '../shared/calls.ts';
import { LEASES, SLICES, SWEEPS } from '../shared/kinds.ts';
import { MEASUREMENTS_STREAM, MODELS_STREAM } from '../shared/nats-streams.ts';
import { pause, realTimers } from '../shared/timers.ts';
import { type Checking, type Finding, failed, ok, skipped } from './check.ts';

/** Of one request: a cluster in trouble is to be told from one that is slow. */
export const LIMITS = { tries: 3, timeoutMs: 8_000 };
const LOOK_AGAIN_MS = 500;

const INSTALL =
  'install the kinds: kubectl apply --server-side --filename k8s/crds, or helm upgrade with crds.install=true';

/** By what the API server says it serves: CustomResourceDefinitions are not everybody's to read. */
export async function checkKinds({ cluster, signal }: Checking): Promise<Finding> {
  const { apiVersion } = SWEEPS;
  const request = { method: 'GET', path: `/apis/${apiVersion}`, signal, ...LIMITS } as const;
  const answer = await cluster.request(request).catch((error: unknown) => {
    if (isApiError(error, 404)) return undefined;
    throw error;
  });
  const served = (answer?.body as { resources?: readonly { name: string }[] } | undefined)?.resources ?? [];
  const missing = [SWEEPS, SLICES].filter(({ plural }) => !served.some(({ name }) => name === plural));
  if (missing.length > 0) {
    return failed(`${missing.map(({ kind }) => kind).join(' and ')} not served as ${apiVersion}; ${INSTALL}`);
  }
  return ok(`${SWEEPS.kind} and ${SLICES.kind} are served as ${apiVersion}`);
}

/** A Sweep of two small trials on CPUs. */
export function buildSample({ namespace, name }: Ref) {
  return {
    apiVersion: SWEEPS.apiVersion,
    kind: SWEEPS.kind,
    metadata: { namespace, name },
    spec: {
      grid: [{ widths: [[2], [3]], activation: ['relu'], pooling: ['max'] }],
      training: { dataset: 'mnist', trainingExamples: 500, epochs: 1, batchSize: 16, learningRate: 0.01 },
      parallelism: 2,
      maxFailedTrials: 0,
      // Limits without nvidia.com/gpu: no GPU.
      trainer: { resources: { limits: {} }, startDeadlineSeconds: 360, activeDeadlineSeconds: 400 },
    },
  };
}

export async function checkSample({ cluster, namespace, name, signal }: Checking): Promise<Finding> {
  await cluster.create(SWEEPS, buildSample({ namespace, name }), { dryRun: true, signal, ...LIMITS });
  return ok(`a Sweep is accepted in namespace ${namespace}`);
}

/** One letter more than the API server's own rules allow, which only these kinds know. */
const TOO_LONG = 41;

export async function checkBad({ cluster, namespace, signal }: Checking): Promise<Finding> {
  const bad = buildSample({ namespace, name: 'a'.repeat(TOO_LONG) });
  try {
    await cluster.create(SWEEPS, bad, { dryRun: true, signal, ...LIMITS });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 422) throw error;
    const words = `${TOO_LONG} characters; at most ${TOO_LONG - 1}`;
    if (error.message.includes(words)) return ok(`a name that is too long is refused: ${words}`);
    return failed(`a name of ${TOO_LONG} characters is refused in other words than ours: ${error.message}`);
  }
  return failed(`a name of ${TOO_LONG} characters was accepted; the kinds are not those of this version: ${INSTALL}`);
}

/** Looks twice at the time of its renewal, and at no clock: clocks differ. */
export async function checkLease({ cluster, signal }: Checking, ref: Ref | undefined): Promise<Finding> {
  if (!ref) return skipped('not asked for (--lease-namespace, --lease-name)');
  const object = `Lease ${ref.namespace}/${ref.name}`;
  let before: { holder: string; renewTime: string | undefined } | undefined;
  return untilOk(signal, async () => {
    const lease = await cluster.get(LEASES, ref, { signal, ...LIMITS });
    if (!lease) return failed(`${object}: not there; no controller has led yet`);
    const { holderIdentity: holder = '', renewTime } = lease.spec ?? {};
    if (holder === '') return failed(`${object}: nobody holds it; see whether the controller runs`);
    const isRenewed = before?.holder === holder && before.renewTime !== renewTime;
    before = { holder, renewTime };
    if (isRenewed) return ok(`${object}: held by ${holder}, which renews it`);
    return failed(`${object}: held by ${holder}, which does not renew it; see whether that controller runs`);
  });
}

/** Asks a program of ours whether it is in order. @param flag what would have given its address */
export async function checkReady({ signal }: Checking, url: string | undefined, flag: string): Promise<Finding> {
  if (url === undefined) return skipped(`not asked for (${flag})`);
  const page = `${url.replace(/\/+$/, '')}/readyz`;
  return untilOk(signal, async () => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(LIMITS.timeoutMs)]);
    try {
      const answer = await fetch(page, { signal: timeout });
      const text = await answer.text();
      return answer.status === 200 ? ok(`${page}: ready`) : failed(`${page}: ${answer.status}: ${describeParts(text)}`);
    } catch (error) {
      return failed(`${page}: ${whyNoAnswer(error)}`);
    }
  });
}

/** Asks the controller that leads, which makes them, whether NATS has the streams of curves and of models: a metric that it shows of
 * no other. Its service may lead to one that does not lead; each time anew.
 */
export async function checkStreams({ signal }: Checking, url: string | undefined, wanted: boolean): Promise<Finding> {
  if (!wanted) return skipped('not asked for (--streams)');
  if (url === undefined) return skipped('only a controller knows them (--controller-url)');
  const page = `${url.replace(/\/+$/, '')}/metrics`;
  return untilOk(signal, async () => {
    const timeout = AbortSignal.any([signal, AbortSignal.timeout(LIMITS.timeoutMs)]);
    try {
      const { statusCode, body } = await request(page, { signal: timeout, reset: true });
      const text = await body.text();
      if (statusCode !== 200) return failed(`${page}: ${statusCode}`);
      const missing = [MEASUREMENTS_STREAM, MODELS_STREAM].filter((stream) => !text.includes(roomOf(stream)));
      if (missing.length > 0) return failed(`no ${missing.join(', no ')} in NATS; see what the controller's log says`);
      return ok(`${MEASUREMENTS_STREAM} and ${MODELS_STREAM} are in NATS`);
    } catch (error) {
      return failed(`${page}: ${whyNoAnswer(error)}`);
    }
  });
}

const roomOf = (stream: string) => `\ncnn_sweep_nats_stream_max_bytes{stream="${stream}"} `;

/** Asks again until all is well or the time is over: what was installed a moment ago needs another. */
async function untilOk(signal: AbortSignal, ask: () => Promise<Finding>): Promise<Finding> {
  let last: Finding | undefined;
  while (!signal.aborted) {
    const finding = await ask().catch((error: unknown) => {
      // The end of our time says less than what was seen before.
      if (signal.aborted && last) return last;
      throw error;
    });
    if (finding.result === 'ok') return finding;
    last = signal.aborted && last ? last : finding;
    await pause(realTimers, LOOK_AGAIN_MS, signal);
  }
  return last ?? failed(`${(signal.reason as Error).message}`);
}

/** `caches: not listed yet`: the parts that are not in order; else the text's beginning. */
function describeParts(text: string): string {
  try {
    const parts = Object.entries(JSON.parse(text) as Readonly<Record<string, unknown>>);
    const missing = parts.filter(([, value]) => value !== true).map(([part, value]) => `${part}: ${value}`);
    if (missing.length > 0) return missing.join('; ');
  } catch {
    // Not our program's answer: of a proxy, or of something else at that address.
  }
  return text.slice(0, 200);
}

function whyNoAnswer(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return `${cause}`;
  if (cause.name === 'TimeoutError') return `no answer in ${LIMITS.timeoutMs / 1000} s`;
  return 'code' in cause && cause.message === '' ? `${cause.code}` : cause.message;
}
