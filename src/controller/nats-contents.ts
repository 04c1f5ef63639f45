import { BusError } from '../shared/bus.ts';
import { type ApiError, apiErrorOf, type Nats } from '../shared/nats.ts';
import { MEASUREMENTS_STREAM, MODELS_STREAM } from '../shared/nats-streams.ts';
import { type Address, isUID, MODEL_BUCKET, parseModelSubject } from '../sweep/message.ts';

/** What lies in both streams, by whom it is of. */
export interface Contents {
  /** UIDs of Sweeps with curves or models. */
  readonly sweeps: ReadonlySet<string>;
  readonly models: readonly Address[];
  /** Attempts of which there are parts of a model, and no model. */
  readonly unfinished: readonly string[];
}

/** @throws BusError */
export async function readContents(nats: Nats): Promise<Contents> {
  const curves = await subjectsIn(nats, MEASUREMENTS_STREAM, '>');
  const models = await readModels(nats);
  const whole = new Set(models.map(({ attemptUID }) => attemptUID));
  const parts = await subjectsIn(nats, MODELS_STREAM, `$O.${MODEL_BUCKET}.C.>`);
  const attempts = parts.map((subject) => subject.split('.')[3] ?? '');
  return {
    // What is no UID nobody of ours has written; it cannot be cleared away by its name.
    sweeps: new Set(
      [...curves.map((subject) => subject.split('.')[2] ?? ''), ...models.map((each) => each.sweepUID)].filter(isUID),
    ),
    models,
    unfinished: attempts.filter((attempt) => attempt !== '' && !whole.has(attempt)),
  };
}

/** @throws BusError */
export async function readModels(nats: Nats): Promise<Address[]> {
  const subjects = await subjectsIn(nats, MODELS_STREAM, `$O.${MODEL_BUCKET}.M.>`);
  return subjects.flatMap((subject) => parseModelSubject(subject) ?? []);
}

/** Parts that nobody will ever name. @throws BusError */
export async function purgeParts(nats: Nats, attemptUID: string): Promise<void> {
  await ask(nats, `$JS.API.STREAM.PURGE.${MODELS_STREAM}`, { filter: `$O.${MODEL_BUCKET}.C.${attemptUID}` });
}

/** The server lists so many subjects at once. */
interface StreamInfo {
  readonly state: { readonly subjects?: Readonly<Record<string, number>> };
  readonly total?: number;
}

/** A stream that is not there holds nothing. */
async function subjectsIn(nats: Nats, stream: string, filter: string): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const page = await ask<StreamInfo>(nats, `$JS.API.STREAM.INFO.${stream}`, {
      subjects_filter: filter,
      offset: found.length,
    });
    const subjects = Object.keys(page?.state.subjects ?? {});
    found.push(...subjects);
    if (subjects.length === 0 || found.length >= (page?.total ?? 0)) return found;
  }
}

async function ask<Answer>(nats: Nats, subject: string, question: object): Promise<Answer | undefined> {
  const answer = (await nats.request(subject, JSON.stringify(question), { timeoutMs: 10_000 })).json<
    Answer & { readonly error?: ApiError }
  >();
  if (!answer.error) return answer;
  const error = apiErrorOf(answer.error, subject);
  if (error instanceof BusError && error.reason === 'NoStream') return undefined;
  throw error;
}
