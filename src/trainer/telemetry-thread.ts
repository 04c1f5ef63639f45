// The thread that holds the socket to NATS: figures and the model come over a port, a report goes back at the end.
import { readFile } from 'node:fs/promises';
import { type MessagePort, workerData } from 'node:worker_threads';
import { zipSync } from 'fflate';
import { BusError } from '../shared/bus.ts';
import { Nats } from '../shared/nats.ts';
import { NatsBus } from '../shared/nats-bus.ts';
import { uploadModel } from '../shared/nats-models.ts';
import type { Address } from '../sweep/message.ts';
import { Publisher } from './publisher.ts';
import type { ModelFiles } from './save.ts';
import {
  FLUSH_MS,
  MODEL_MS,
  type TelemetryOptions,
  type TelemetryReport,
  type TelemetryThread,
  type ToTelemetry,
} from './telemetry.ts';

const { options, ended, port } = workerData as TelemetryThread & { readonly port: MessagePort };
const nats = openNats(options);
const publisher = new Publisher(new NatsBus(nats), options.address);
const stopUpload = new AbortController();
let upload: Promise<string> = Promise.resolve('');
let hasModel = false;

port.on('message', (message: ToTelemetry) => {
  if (message.kind === 'figure') publisher.add(message.figure);
  else if (message.kind === 'model') {
    hasModel = true;
    upload = store(message.files, options.address);
  } else void end(message.withModel);
});

function openNats({ url, address, caFile, tokenFile, user, passwordFile }: TelemetryOptions): Nats {
  const read = async (file: string) => (await readFile(file, 'utf8')).trim();
  return new Nats({
    url,
    name: `trainer ${address.attemptUID}`,
    inboxPrefix: `_INBOX_${address.attemptUID}`,
    ca: caFile === undefined ? undefined : () => readFile(caFile, 'utf8'),
    credentials: async () => {
      if (tokenFile !== undefined) return { token: await read(tokenFile) };
      if (user === undefined) return undefined;
      return { user, password: passwordFile === undefined ? '' : await read(passwordFile) };
    },
    onStatus: ({ connected }) => connected && publisher.wake(),
  });
}

/** @returns why it is not stored; empty if it is */
async function store(files: ModelFiles, address: Address): Promise<string> {
  try {
    // Stored, not deflated: weights hardly shrink. The same model gives the same bytes.
    const bytes = zipSync({ ...files }, { level: 0, mtime: '2020-01-01T00:00:00' });
    await uploadModel(nats, address, bytes, { signal: stopUpload.signal, patienceMs: FLUSH_MS });
    return '';
  } catch (error) {
    return error instanceof BusError ? `${error.reason}: ${error.message}` : String(error);
  }
}

async function end(withModel: boolean): Promise<void> {
  const began = performance.now();
  await publisher.drain(FLUSH_MS);
  // What is known now is said now: an answer that the upload still waits for may come after nobody listens.
  if (withModel) report(`the store did not take it within ${MODEL_MS / 1000} s`);
  const timer = setTimeout(() => stopUpload.abort(), withModel ? MODEL_MS - (performance.now() - began) : 0);
  const modelTrouble = withModel ? await upload : '';
  clearTimeout(timer);
  report(modelTrouble);
  const flag = new Int32Array(ended);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
  await nats.close();
  port.close();
}

/** The last one counts. */
function report(modelTrouble: string): void {
  const { unstored, trouble } = publisher;
  const said: TelemetryReport = {
    unstored,
    trouble: trouble ? `${trouble.reason}: ${trouble.message}` : '',
    modelTrouble: hasModel ? modelTrouble : '',
  };
  port.postMessage(said);
}
