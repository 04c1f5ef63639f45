import { createHash } from 'node:crypto';
import type { Timers } from '../shared/timers.ts';
import type { User } from './access.ts';
import { ProblemError } from './problems.ts';
import { TokenBuckets } from './token-buckets.ts';

/** The API server's word on users and rights. */
export interface Reviews {
  /** A TokenReview of audience `cnn-sweep`.
   * @param address whence it comes @returns undefined: the token is not good @throws if the API server does not answer
   */
  userOf(token: string, address: string): Promise<User | undefined>;
  /** A SubjectAccessReview: may the user list Sweeps there? @throws likewise */
  mayList(user: User, namespace: string): Promise<boolean>;
}

const GOOD_MS = 60_000;
/** While the API server is away nobody can take a right away either: what it last said goes on to hold for so long. */
const GRACE_MS = 15 * 60_000;
/** A thousand users of ten namespaces. */
const MAX_ANSWERS = 10_000;
/** Tokens that are not good have a place of their own: whoever makes them up must not push out those of others. */
const MAX_REFUSALS = 1_000;
/** Tokens at once; whoever comes then comes again. Who is known to be good never has to. */
const MAX_ASKING = 32;
/** Tokens that nobody has seen yet, from one address: behind an Ingress those of all its users. */
const NEW_PER_SECOND = 10;
const NEW_AT_ONCE = 100;

/** Reviews that are asked for once a minute, by however many requests at once. */
export class CachedReviews implements Reviews {
  readonly #reviews: Reviews;
  readonly #users: Answers<User | undefined>;
  readonly #rights: Answers<boolean>;
  readonly #newcomers: TokenBuckets;

  constructor(reviews: Reviews, timers: Pick<Timers, 'now'>) {
    this.#reviews = reviews;
    this.#newcomers = new TokenBuckets({ perSecond: NEW_PER_SECOND, burst: NEW_AT_ONCE, timers });
    this.#users = new Answers(timers, (user) => user !== undefined, { asking: MAX_ASKING, refusals: MAX_REFUSALS });
    // One list asks about every namespace at once, and only somebody who is known can ask for it.
    const bounds = { asking: Number.POSITIVE_INFINITY, refusals: MAX_ANSWERS };
    this.#rights = new Answers(timers, (mayList) => mayList, bounds);
  }

  /** @throws ProblemError `unavailable`, `overloaded`, `too-many-requests` */
  userOf(token: string, address: string): Promise<User | undefined> {
    // No token stays in memory for longer than its request.
    const digest = createHash('sha256').update(token).digest('base64');
    return this.#users.of(
      digest,
      () => this.#reviews.userOf(token, address),
      () => this.#admit(address),
    );
  }

  #admit(address: string): void {
    const waitSeconds = this.#newcomers.take(address);
    if (waitSeconds === 0) return;
    throw new ProblemError('too-many-requests', `at most ${NEW_PER_SECOND} new tokens a second`, {
      retryAfterSeconds: Math.ceil(waitSeconds),
    });
  }

  /** @throws ProblemError `unavailable` */
  mayList(user: User, namespace: string): Promise<boolean> {
    const key = JSON.stringify([user.name, user.groups, namespace]);
    return this.#rights.of(key, () => this.#reviews.mayList(user, namespace));
  }
}

interface Known<Answer> {
  readonly answer: Answer;
  readonly atMs: number;
}

/** How many at most are asked about at once, and how many answers that say no are kept. */
interface Bounds {
  readonly asking: number;
  readonly refusals: number;
}

class Answers<Answer> {
  readonly #timers: Pick<Timers, 'now'>;
  readonly #isGood: (answer: Answer) => boolean;
  readonly #most: Bounds;
  readonly #good = new Map<string, Known<Answer>>();
  readonly #refused = new Map<string, Known<Answer>>();
  readonly #asking = new Map<string, Promise<Answer>>();

  constructor(timers: Pick<Timers, 'now'>, isGood: (answer: Answer) => boolean, most: Bounds) {
    this.#timers = timers;
    this.#isGood = isGood;
    this.#most = most;
  }

  /** @param admit throws if nobody who is unknown may be asked about now */
  async of(key: string, ask: () => Promise<Answer>, admit?: () => void): Promise<Answer> {
    const known = this.#good.get(key) ?? this.#refused.get(key);
    const age = known ? this.#timers.now() - known.atMs : Number.POSITIVE_INFINITY;
    if (known && age < GOOD_MS) return known.answer;
    try {
      return await this.#ask(key, ask, admit);
    } catch (error) {
      if (error instanceof ProblemError) throw error;
      if (known && age < GRACE_MS) return known.answer;
      throw new ProblemError('unavailable', 'the API server does not answer', { retryAfterSeconds: 5 });
    }
  }

  async #ask(key: string, ask: () => Promise<Answer>, admit?: () => void): Promise<Answer> {
    const asking = this.#asking.get(key);
    if (asking) return asking;
    // Whoever was good is asked about in any case: others' made-up tokens neither lock them out nor let them stay.
    if (!this.#good.has(key)) admit?.();
    if (!this.#good.has(key) && this.#asking.size >= this.#most.asking) {
      throw new ProblemError('overloaded', 'too many tokens are being asked about', { retryAfterSeconds: 1 });
    }
    const answer = ask()
      .then((answer) => {
        this.#keep(key, answer);
        return answer;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, answer);
    return answer;
  }

  #keep(key: string, answer: Answer): void {
    this.#good.delete(key);
    this.#refused.delete(key);
    const [answers, most] = this.#isGood(answer) ? [this.#good, MAX_ANSWERS] : [this.#refused, this.#most.refusals];
    answers.set(key, { answer, atMs: this.#timers.now() });
    const [oldest] = answers.keys();
    if (answers.size > most && oldest !== undefined) answers.delete(oldest);
  }
}
