import { createHash } from 'node:crypto';
import type { Timers } from '../shared/timers.ts';
import type { User } from './access.ts';
import { ProblemError } from './problems.ts';

/** The API server's word on users and rights. */
export interface Reviews {
  /** A TokenReview of audience `cnn-sweep`. @returns undefined: the token is not good @throws if the API server does not answer */
  userOf(token: string): Promise<User | undefined>;
  /** A SubjectAccessReview: may the user list Sweeps there? @throws likewise */
  mayList(user: User, namespace: string): Promise<boolean>;
}

const GOOD_MS = 60_000;
/** While the API server is away nobody can take a right away either: what it last said goes on to hold for so long. */
const GRACE_MS = 15 * 60_000;
/** A thousand users of ten namespaces. */
const MAX_ANSWERS = 10_000;
/** Answers that say no have a place of their own: whoever makes up tokens must not push out those of others. */
const MAX_REFUSALS = 1_000;
/** At once; whoever comes then comes again. Known answers need no asking. */
const MAX_ASKING = 32;

/** Reviews that are asked for once a minute, by however many requests at once. */
export class CachedReviews implements Reviews {
  readonly #reviews: Reviews;
  readonly #users: Answers<User | undefined>;
  readonly #rights: Answers<boolean>;

  constructor(reviews: Reviews, timers: Pick<Timers, 'now'>) {
    this.#reviews = reviews;
    this.#users = new Answers(timers, (user) => user !== undefined);
    this.#rights = new Answers(timers, (mayList) => mayList);
  }

  /** @throws ProblemError `unavailable` */
  userOf(token: string): Promise<User | undefined> {
    // No token stays in memory for longer than its request.
    const digest = createHash('sha256').update(token).digest('base64');
    return this.#users.of(digest, () => this.#reviews.userOf(token));
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

class Answers<Answer> {
  readonly #timers: Pick<Timers, 'now'>;
  readonly #isGood: (answer: Answer) => boolean;
  readonly #good = new Map<string, Known<Answer>>();
  readonly #refused = new Map<string, Known<Answer>>();
  readonly #asking = new Map<string, Promise<Answer>>();

  constructor(timers: Pick<Timers, 'now'>, isGood: (answer: Answer) => boolean) {
    this.#timers = timers;
    this.#isGood = isGood;
  }

  async of(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#good.get(key) ?? this.#refused.get(key);
    const age = known ? this.#timers.now() - known.atMs : Number.POSITIVE_INFINITY;
    if (known && age < GOOD_MS) return known.answer;
    try {
      return await this.#ask(key, ask);
    } catch (error) {
      if (known && age < GRACE_MS) return known.answer;
      if (error instanceof ProblemError) throw error;
      throw new ProblemError('unavailable', 'the API server does not answer', { retryAfterSeconds: 5 });
    }
  }

  async #ask(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const asking = this.#asking.get(key);
    if (asking) return asking;
    if (this.#asking.size >= MAX_ASKING) {
      throw new ProblemError('overloaded', 'too many tokens and rights are being asked about', {
        retryAfterSeconds: 1,
      });
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
    const [answers, most] = this.#isGood(answer) ? [this.#good, MAX_ANSWERS] : [this.#refused, MAX_REFUSALS];
    answers.set(key, { answer, atMs: this.#timers.now() });
    const [oldest] = answers.keys();
    if (answers.size > most && oldest !== undefined) answers.delete(oldest);
  }
}
