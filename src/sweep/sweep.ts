import Value from 'typebox/value';
import { copyData } from './data.ts';
import { InvalidSweepError, type Violation } from './errors.ts';
import { formatPath } from './path.ts';
import { notesOf, RULES } from './rules.ts';
import { type Sweep, SweepSchema } from './schema.ts';
import { schemaViolations, unknownAbsent } from './violation.ts';

/** A sweep with every default filled in, and what is accepted in it but worth a word. */
export interface ParsedSweep {
  readonly sweep: Sweep;
  readonly notes: readonly Violation[];
}

/** Most violations that one error carries; who has more made one mistake many times. */
const MAX_VIOLATIONS = 100;

/** Parses a sweep, whoever wrote it: a file, the API server, an older parse. `null` counts as absent, `status` is ignored.
 * Total: data of any shape gives a sweep or its violations. Parsing what it returned changes nothing.
 * @throws InvalidSweepError with every violation at once (beyond 100: how many more)
 * @see reliability.md section 5 for the words */
export function parseSweep(input: unknown): ParsedSweep {
  const { data, absent, violations: unreadable } = copyData(input);
  if (unreadable.length > 0) throw new InvalidSweepError(limited(unreadable));
  if (isMapping(data)) delete data.status; // kubectl get -o yaml writes it

  const filled = Value.Default(SweepSchema, data);
  const bySchema = [...schemaViolations(SweepSchema, filled), ...unknownAbsent(SweepSchema, absent)];
  const wrong = bySchema.filter(({ unknownField }) => !unknownField).map(({ path }) => path);
  const byRule = RULES.filter(
    ({ reads }) => !reads.some((path) => wrong.some((other) => overlaps(path, other))),
  ).flatMap(
    // What a rule reads agrees with the schema: that was just asked.
    ({ violations }) => violations(filled as Sweep),
  );
  const violations = [...bySchema.map(({ path, message }) => ({ path, message })), ...byRule];
  if (violations.length > 0) throw new InvalidSweepError(limited(violations));
  const sweep = filled as Sweep;
  return { sweep, notes: notesOf(sweep) };
}

/** What never changes after a sweep was created: what its recorded trials were trained with. */
const IMMUTABLE: readonly { path: string; of: (sweep: Sweep) => unknown }[] = [
  { path: 'spec.grid', of: ({ spec }) => spec.grid },
  { path: 'spec.training', of: ({ spec }) => spec.training },
  { path: 'spec.selection.checkpoint', of: ({ spec }) => spec.selection.checkpoint },
  { path: 'spec.trainer', of: ({ spec }) => spec.trainer },
];

/** What an update may not do; empty if it may. Both sweeps are parsed, so that a default written out is no change. */
export function changes(before: Sweep, after: Sweep): Violation[] {
  return IMMUTABLE.filter(({ of }) => !Value.Equal(of(before), of(after))).map(({ path }) => ({
    path,
    message: 'immutable; create a new Sweep',
  }));
}

function limited(violations: readonly Violation[]): readonly Violation[] {
  if (violations.length <= MAX_VIOLATIONS) return violations;
  const more = violations.length - MAX_VIOLATIONS;
  return [...violations.slice(0, MAX_VIOLATIONS), { path: formatPath([]), message: `${more} more like these` }];
}

/** Whether one of two paths is the other or lies under it. */
function overlaps(a: string, b: string): boolean {
  const [outer, inner] = a.length < b.length ? [a, b] : [b, a];
  return outer === formatPath([]) || inner === outer || inner.startsWith(`${outer}.`) || inner.startsWith(`${outer}[`);
}

function isMapping(data: unknown): data is Record<string, unknown> {
  return typeof data === 'object' && data !== null && !Array.isArray(data);
}
