// What the controller wrote in some quiet runs, write by write, and what each came to. Whoever changes that on purpose records it anew:
// `node test/controller/traces/traces.ts`, and reads the difference.
import { readFile, writeFile } from 'node:fs/promises';
import type { Write } from '../../fakes/route.ts';
import { calmScenario, type Scenario } from '../simulation/scenario.ts';
import { simulate } from '../simulation/simulate.ts';

export const RECORDED: Readonly<Record<string, Scenario>> = {
  succeeded: calmScenario(11),
  'taken-over': calmScenario(12, { controllers: 2 }),
  failed: calmScenario(13, { maxFailedTrials: 1, fates: [[0.7, { kind: 'exit', code: 2 }]] }),
  'tried-again': calmScenario(33, { fates: [[0.3, { kind: 'exit', code: 1 }]] }),
};

export interface Trace {
  readonly writes: readonly string[];
  readonly end: unknown;
}

export async function traceOf(scenario: Scenario): Promise<Trace> {
  const { violations, writes, end } = await simulate(scenario);
  if (violations.length > 0) throw new Error(violations.join('\n'));
  // Events are named by the clock.
  const nameOf = ({ plural, name, body }: Write) =>
    name ?? (plural === 'events' ? '' : (body as { readonly metadata?: { readonly name?: string } }).metadata?.name);
  const lines = writes.map((write) => `${write.verb} ${write.plural} ${nameOf(write) ?? ''}`.trimEnd());
  return { writes: lines, end };
}

const fileOf = (name: string) => new URL(`${name}.json`, import.meta.url);

export async function readTrace(name: string): Promise<Trace> {
  return JSON.parse(await readFile(fileOf(name), 'utf8'));
}

if (import.meta.main) {
  for (const [name, scenario] of Object.entries(RECORDED)) {
    await writeFile(fileOf(name), `${JSON.stringify(await traceOf(scenario), undefined, 2)}\n`);
  }
}
