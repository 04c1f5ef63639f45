import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { messageOf } from '../sweep/errors.ts';
import { encodeMeasurement, type Measurement, type Progress } from '../sweep/measurement.ts';
import { type Address, encodeProgress, MAX_MODEL_BYTES, subjectOf } from '../sweep/message.ts';
import type { Figure, FigureCounts } from './outbox.ts';
import type { ModelFiles } from './save.ts';

/** Where a trial's telemetry goes, and as whom. */
export interface TelemetryOptions {
  readonly address: Address;
  /** `nats://host:port` */
  readonly url: string;
  /** Files are read at each connect: what is projected into a Pod changes. */
  readonly caFile?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly user?: string | undefined;
  readonly passwordFile?: string | undefined;
}

/** What the training thread tells the one that holds the socket. */
export type ToTelemetry =
  | { readonly kind: 'figure'; readonly figure: Figure }
  | { readonly kind: 'model'; readonly files: ModelFiles }
  /** @param withModel: wait for the model too */
  | { readonly kind: 'end'; readonly withModel: boolean };

/** What was stored when the trial ended. */
export interface TelemetryReport {
  readonly unstored: FigureCounts;
  /** What went wrong last; empty if all is well. */
  readonly trouble: string;
  /** Why the model is not in the store; empty if it is, or there was none. */
  readonly modelTrouble: string;
}

export interface TelemetryThread {
  readonly options: TelemetryOptions;
  /** One Int32: 1 once the report is sent. */
  readonly ended: SharedArrayBuffer;
}

/** For what is not stored when training has ended. */
export const FLUSH_MS = 5_000;
/** For a model, of which every answer may take FLUSH_MS; a Pod that is told to stop has 20 s. */
export const MODEL_MS = 15_000;
/** The thread answers by then, or never. */
const GRACE_MS = 1_000;

/** Sends what a trial measures to NATS, from a thread of its own: kernels block the training thread for longer than a server waits
 * for a sign of life. Training never waits for it and never fails by it; only the end may take up to FLUSH_MS, or MODEL_MS if
 * there is a model and the server takes it.
 */
export class Telemetry {
  readonly #thread: Worker;
  readonly #ended = new SharedArrayBuffer(4);
  readonly #address: Address;
  readonly #sent = { epoch: 0, progress: 0 };
  readonly #channel = new MessageChannel();
  #failure: string = '';
  #modelTrouble: string = '';
  #hasEnded: boolean = false;

  /** @throws InvalidMessageError if a UID is none */
  constructor(options: TelemetryOptions) {
    subjectOf(options.address, 'epoch');
    this.#address = options.address;
    const { port1, port2 } = this.#channel;
    const workerData: TelemetryThread & { port: typeof port2 } = { options, ended: this.#ended, port: port2 };
    this.#thread = new Worker(new URL('./telemetry-thread.ts', import.meta.url), { workerData, transferList: [port2] });
    this.#thread.on('error', (error) => {
      this.#failure = `its thread failed: ${messageOf(error)}`;
    });
    this.#thread.unref();
    port1.unref();
  }

  measurement(measurement: Measurement): void {
    this.#figure('epoch', measurement.epoch, encodeMeasurement(measurement));
  }

  progress(progress: Progress): void {
    this.#figure('progress', this.#sent.progress + 1, encodeProgress(progress));
  }

  /** Before the result is handed over: whatever is wrong with the model must not cost it.
   * @param files are given away: weights of some size are not copied
   */
  model(files: ModelFiles): void {
    const weights = files['weights.bin'];
    const bytes = files['model.json'].length + weights.length;
    const ownsBuffer = weights.length === weights.buffer.byteLength; // else it is a part of Node's pool
    try {
      if (bytes <= MAX_MODEL_BYTES)
        this.#tell({ kind: 'model', files }, ownsBuffer ? [weights.buffer as ArrayBuffer] : []);
      else this.#modelTrouble = `${bytes} bytes; at most ${MAX_MODEL_BYTES}`;
    } catch (error) {
      this.#modelTrouble = messageOf(error);
    }
  }

  #figure(kind: Figure['kind'], number: number, text: string): void {
    this.#sent[kind]++;
    this.#tell({ kind: 'figure', figure: { kind, number, text } });
  }

  #tell(message: ToTelemetry, given: readonly ArrayBuffer[] = []): void {
    this.#channel.port1.postMessage(message, given);
  }

  /** Waits, the event loop too, until all is stored or there is no time left. @returns one line if something is missing */
  end({ withModel }: { readonly withModel: boolean }): string | undefined {
    if (this.#hasEnded) return undefined;
    this.#hasEnded = true;
    if (this.#failure === '') {
      this.#tell({ kind: 'end', withModel });
      Atomics.wait(new Int32Array(this.#ended), 0, 0, (withModel ? MODEL_MS : FLUSH_MS) + GRACE_MS);
    }
    const unknown = { unstored: this.#sent, trouble: this.#failure || 'its thread does not answer', modelTrouble: '' };
    const report = this.#lastReport() ?? unknown;
    const modelTrouble = this.#modelTrouble || report.modelTrouble;
    return describe({ ...report, modelTrouble }, this.#sent, this.#address);
  }

  #lastReport(): TelemetryReport | undefined {
    let last: TelemetryReport | undefined;
    for (;;) {
      const received: { readonly message: TelemetryReport } | undefined = receiveMessageOnPort(this.#channel.port1);
      if (!received) return last;
      last = received.message;
    }
  }
}

/** `telemetry: 3 of 15 measurements … not stored: Unreachable: …` */
function describe(report: TelemetryReport, sent: FigureCounts, { attemptUID }: Address): string | undefined {
  const { unstored, trouble, modelTrouble } = report;
  const parts: string[] = [];
  if (unstored.epoch + unstored.progress > 0) {
    parts.push(
      `${unstored.epoch} of ${sent.epoch} measurements and ${unstored.progress} of ${sent.progress} points of progress are not stored: ${trouble || 'Refused'}`,
    );
  }
  if (modelTrouble !== '') parts.push(`the model is not stored: ${modelTrouble}`);
  return parts.length === 0 ? undefined : `telemetry of ${attemptUID}: ${parts.join('; ')}; the result is not affected`;
}
