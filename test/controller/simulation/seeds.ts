import { scenarioOf } from './scenario.ts';
import { type Outcome, simulate } from './simulate.ts';

/** Runs a seed twice: what it shows must be the same. @param onLine of the first run's trace */
export async function runSeed(seed: number, onLine?: (line: string) => void): Promise<Outcome> {
  const scenario = scenarioOf(seed);
  const outcome = await simulate(scenario, { ...(onLine && { onLine }) });
  const again = await simulate(scenario);
  if (again.trace === outcome.trace) return outcome;
  return { ...outcome, violations: [...outcome.violations, 'the same seed gave another trace'] };
}
