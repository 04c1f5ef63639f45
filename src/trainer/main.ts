// One trial: an assignment in, Measurements as lines of JSON out, and one result at the end. The program of a trial's Pod.
// Exit codes: 0 done, 1 may be retried, 2 bad configuration, 143 told to stop.
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { readEnvironment } from '../shared/env.ts';
import { type Assignment, decodeAssignment, encodeAssignment } from '../sweep/assignment.ts';
import { InvalidConfigError, InvalidMessageError, messageOf } from '../sweep/errors.ts';
import { encodeMeasurement } from '../sweep/measurement.ts';
import { encodeResult } from '../sweep/result.ts';
import { failureOf } from './failure.ts';
import { Session } from './session.ts';
import { Telemetry } from './telemetry.ts';

const USAGE =
  'usage: main.ts {--assignment FILE | --assignment-json TEXT} --result FILE [--attempt-uid-file FILE] [--model FOLDER]\n' +
  '  [--native-binding FILE] [--nats-url URL --sweep-uid UID [--nats-ca-file FILE] [--nats-token-file FILE | --nats-user NAME --nats-password-file FILE]]';

let telemetry: Telemetry | undefined;

async function main(): Promise<void> {
  const flags = parseArguments();
  const { cacheFolder } = readEnvironment();
  const assignment = await readAssignment(flags);
  telemetry = openTelemetry(flags, assignment);
  const session = new Session({
    cacheFolder,
    nativeBinding: flags['native-binding'],
    warn: (line) => process.stderr.write(`${line}\n`),
    onProgress: (progress, milestone) => milestone && telemetry?.progress(progress),
    onHeartbeat: () => undefined,
    onMeasurement: (measurement) => {
      process.stdout.write(`${encodeMeasurement(measurement)}\n`);
      telemetry?.measurement(measurement);
    },
    onModel: telemetry && ((files) => telemetry?.model(files)),
  });
  const result = encodeResult(await session.run(assignment, flags.model));
  // In place: a Pod's /dev/termination-log is a mount of its own, which a rename cannot replace. And in one breath with the exit
  // code, so that no signal comes between: who has handed over a result has not been stopped.
  writeFileSync(flags.result, result);
  process.exitCode = 0;
  endTelemetry({ withModel: true });
}

/** @throws InvalidConfigError if it is not said whose telemetry it is; whether anybody listens is found out later */
function openTelemetry(flags: Flags, assignment: Assignment): Telemetry | undefined {
  const { 'nats-url': url, 'sweep-uid': sweepUID } = flags;
  if (url === undefined) return undefined;
  if (sweepUID === undefined) throw new InvalidConfigError(`--nats-url without --sweep-uid; ${USAGE}`);
  const { trial, attemptUID } = assignment;
  try {
    return new Telemetry({
      address: { sweepUID, trial, attemptUID },
      url,
      caFile: flags['nats-ca-file'],
      tokenFile: flags['nats-token-file'],
      user: flags['nats-user'],
      passwordFile: flags['nats-password-file'],
    });
  } catch (cause) {
    const message = `telemetry: ${messageOf(cause)}`;
    if (cause instanceof InvalidMessageError) throw new InvalidConfigError(message, { cause });
    // No thread, for lack of memory or processes: the trial does without.
    process.stderr.write(`${message}; the result is not affected\n`);
    return undefined;
  }
}

/** What is lost is said, and nothing more comes of it: the exit code is set already, and no mistake in here may change it. */
function endTelemetry(how: { readonly withModel: boolean }): void {
  let missing: string | undefined;
  try {
    missing = telemetry?.end(how);
  } catch (error) {
    missing = `telemetry: ${messageOf(error)}; the result is not affected`;
  }
  if (missing !== undefined) process.stderr.write(`${missing}\n`);
}

/** The attempt's UID, if there is a file of it, replaces that of the assignment: who creates a Pod cannot know its UID.
 * @throws InvalidConfigError naming what cannot be read, and what is wrong with it
 */
async function readAssignment(flags: Flags): Promise<Assignment> {
  const { assignment: file, 'assignment-json': text, 'attempt-uid-file': uidFile } = flags;
  const assignment = await naming(file ?? '--assignment-json', async () =>
    decodeAssignment(text ?? (await readFile(file ?? '', 'utf8'))),
  );
  if (uidFile === undefined) return assignment;
  return naming(uidFile, async () => {
    const attemptUID = (await readFile(uidFile, 'utf8')).trim();
    return decodeAssignment(encodeAssignment({ ...assignment, attemptUID }));
  });
}

async function naming<T>(what: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw new InvalidConfigError(`${what}: ${messageOf(cause)}`, { cause });
  }
}

type Flags = ReturnType<typeof parseArguments>;

function parseArguments() {
  const text = { type: 'string' } as const;
  const options = {
    ...{ assignment: text, 'assignment-json': text, 'attempt-uid-file': text },
    ...{ result: text, model: text, 'native-binding': text },
    ...{ 'sweep-uid': text, 'nats-url': text, 'nats-ca-file': text },
    ...{ 'nats-token-file': text, 'nats-user': text, 'nats-password-file': text },
  };
  try {
    const { values } = parseArgs({ options });
    const { assignment: file, 'assignment-json': document, result } = values;
    // One of the two, and no file without a name.
    const isSaid = document === undefined ? file !== undefined && file !== '' : file === undefined;
    if (result && isSaid) return { ...values, result };
  } catch (cause) {
    throw new InvalidConfigError(`${messageOf(cause)}; ${USAGE}`, { cause });
  }
  throw new InvalidConfigError(USAGE);
}

// The first process of a container is deaf to signals that it does not listen for. Between two steps of the training the event loop
// turns at least each second, so that this one is heard; an exit code that is set already stays.
process.on('SIGTERM', () => {
  endTelemetry({ withModel: false });
  process.exit(process.exitCode ?? 143);
});
// The log shows, the result decides: a reader of the log that is gone stops no trial.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
main().catch((error: unknown) => {
  const { exitCode, words } = failureOf(error);
  endTelemetry({ withModel: false }); // before the last words, which say why
  process.stderr.write(`${words}\n`);
  process.exitCode = exitCode;
});
