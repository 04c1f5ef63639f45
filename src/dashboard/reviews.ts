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

/** Reviews that are asked for once a minute, by however many requests at once. */
export class CachedReviews implements Reviews {
  readonly #reviews: Reviews;
  readonly #users: Answers<User | undefined>;
  readonly #rights: Answers<boolean>;

  constructor(reviews: Reviews, timers: Pick<Timers, 'now'>) {
    this.#reviews = reviews;
    this.#users = new Answers(timers);
    this.#rights = new Answers(timers);
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

class Answers<Answer> {
  readonly #timers: Pick<Timers, 'now'>;
  readonly #known = new Map<string, { readonly answer: Answer; readonly atMs: number }>();
  readonly #asking = new Map<string, Promise<Answer>>();

  constructor(timers: Pick<Timers, 'now'>) {
    this.#timers = timers;
  }

  async of(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const known = this.#known.get(key);
    const age = known ? this.#timers.now() - known.atMs : Number.POSITIVE_INFINITY;
    if (known && age < GOOD_MS) return known.answer;
    try {
      return await this.#ask(key, ask);
    } catch {
      if (known && age < GRACE_MS) return known.answer;
      throw new ProblemError('unavailable', 'the API server does not answer', { retryAfterSeconds: 5 });
    }
  }

  #ask(key: string, ask: () => Promise<Answer>): Promise<Answer> {
    const asking = this.#asking.get(key);
    if (asking) return asking;
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
    this.#known.delete(key);
    this.#known.set(key, { answer, atMs: this.#timers.now() });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_ANSWERS && oldest !== undefined) this.#known.delete(oldest);
  }
}
