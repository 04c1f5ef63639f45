import { BUGS } from './bugs.ts';
import { scenarioOf } from './scenario.ts';
import { runSeed } from './seeds.ts';
import { simulate } from './simulate.ts';
import type { Answer, Task } from './threads.ts';

/** What a thread of the pool does. */
export default async function run({ seed, isTwice, bug }: Task): Promise<Answer> {
  const mutation = bug === undefined ? undefined : BUGS[bug];
  const made = typeof mutation === 'function' ? mutation() : mutation;
  const { violations, convergedMs } = await (isTwice
    ? runSeed(seed)
    : simulate(scenarioOf(seed), made && { mutation: made }));
  return { violations, convergedMs };
}
