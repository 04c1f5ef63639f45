import { useEffect, useMemo, useState } from 'preact/hooks';
import { plural } from '../../report/format.ts';
import { formatLoss } from '../../sweep/figures.ts';
import { points } from '../../sweep/finding.ts';
import type { SweepSummary } from '../api.ts';
import type { ApiError } from './client.ts';
import { usePage } from './context.ts';
import { Link } from './link.tsx';
import { PHASE_GLYPHS } from './trial-words.ts';
import { countEnded, describeProgress, formatAge } from './words.ts';

interface SweepsViewProps {
  /** Null until they were read. */
  readonly sweeps: readonly SweepSummary[] | null;
  readonly error: ApiError | null;
}

/** The list of sweeps. */
export function SweepsView({ sweeps, error }: SweepsViewProps) {
  const { address } = usePage();
  const nowMs = useNow();
  const shown = useMemo(
    () =>
      sweeps?.filter(
        ({ namespace, phase }) =>
          (address.namespace === null || namespace === address.namespace) &&
          (address.sweepPhase === null || phase === address.sweepPhase),
      ),
    [sweeps, address.namespace, address.sweepPhase],
  );
  if (!shown || !sweeps) {
    return (
      <main id="main">
        <h1 class="plain">Sweeps</h1>
        <p class="empty" role="status">
          {error ? `The list could not be read: ${error.message}. Reload the page to try again.` : 'Reading the list …'}
        </p>
      </main>
    );
  }
  return (
    <main id="main">
      <h1 class="plain">Sweeps</h1>
      <SweepFilters sweeps={sweeps} />
      {sweeps.length === 0 ? (
        <NoSweeps />
      ) : shown.length === 0 ? (
        <p class="empty">
          None of {plural(sweeps.length, 'sweep')} matches.{' '}
          <Link to={{ namespace: null, sweepPhase: null }}>Show all</Link>
        </p>
      ) : (
        <SweepsTable sweeps={shown} nowMs={nowMs} />
      )}
    </main>
  );
}

const MINUTE_MS = 60_000;

/** To the minute, for ages. */
function useNow(): number {
  const [nowMs, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE_MS);
    return () => clearInterval(timer);
  }, []);
  return nowMs;
}

function NoSweeps() {
  return (
    <section class="empty">
      <p>
        <strong>No sweep yet.</strong> Start one, and it appears here by itself:
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre tabIndex={0}>
        <code>kubectl apply -f sweep.yaml</code>
      </pre>
    </section>
  );
}

const byText = (a: string, b: string) => (a < b ? -1 : 1);

function SweepFilters({ sweeps }: { readonly sweeps: readonly SweepSummary[] }) {
  const { address, go } = usePage();
  const namespaces = [...new Set(sweeps.map(({ namespace }) => namespace))].sort(byText);
  const phases = [...new Set(sweeps.map(({ phase }) => phase))].sort(byText);
  const filters = [
    ['Namespace', 'namespace', namespaces],
    ['Phase', 'sweepPhase', phases],
  ] as const;
  return (
    <div class="tools">
      {filters
        .filter(([, key, values]) => values.length > 1 || address[key] !== null)
        .map(([label, key, values]) => (
          <label key={key}>
            {label}{' '}
            <select
              value={address[key] ?? ''}
              onChange={({ currentTarget }) => go({ [key]: currentTarget.value || null })}
            >
              <option value="">all</option>
              {values.map((value) => (
                <option key={value} value={value}>
                  {value}
                </option>
              ))}
            </select>
          </label>
        ))}
    </div>
  );
}

function SweepsTable({ sweeps, nowMs }: { readonly sweeps: readonly SweepSummary[]; readonly nowMs: number }) {
  const hasNamespaces = sweeps.some(({ namespace }) => namespace !== sweeps[0]?.namespace);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll sweeps" tabIndex={0} aria-label="Sweeps">
      <table>
        <thead>
          <tr>
            <th scope="col">Sweep</th>
            {hasNamespaces && <th scope="col">Namespace</th>}
            <th scope="col">Phase</th>
            <th scope="col">Progress</th>
            <th scope="col">Best network so far that does not overfit</th>
            <th scope="col" class="number">
              Validation loss
            </th>
            <th scope="col" class="number">
              Gap
            </th>
            <th scope="col" class="number">
              Created
            </th>
          </tr>
        </thead>
        <tbody>
          {sweeps.map((sweep) => (
            <SweepLine
              key={`${sweep.namespace}/${sweep.name}`}
              sweep={sweep}
              hasNamespaces={hasNamespaces}
              nowMs={nowMs}
            />
          ))}
        </tbody>
      </table>
    </section>
  );
}

interface SweepLineProps {
  readonly sweep: SweepSummary;
  readonly hasNamespaces: boolean;
  readonly nowMs: number;
}

function SweepLine({ sweep, hasNamespaces, nowMs }: SweepLineProps) {
  const { best } = sweep;
  return (
    <tr>
      <th scope="row">
        <Link to={{ sweep: `${sweep.namespace}/${sweep.name}` }}>{sweep.name}</Link>
      </th>
      {hasNamespaces && <td>{sweep.namespace}</td>}
      <td class="phase">
        <span class={`glyph ${sweep.phase}`} aria-hidden="true">
          {PHASE_GLYPHS[sweep.phase]}
        </span>{' '}
        {sweep.phase}
      </td>
      <td class="progress-cell">
        <ProgressBar done={countEnded(sweep)} failed={sweep.trials.failed} total={sweep.trials.total} />
        <span class="reason">{describeProgress(sweep)}</span>
      </td>
      <td class="best">{best ? best.network : <span class="reason">{sweep.message || '–'}</span>}</td>
      <td class="number">{formatLoss(best?.validationLoss)}</td>
      <td class="number">{best ? points(best.gap) : '–'}</td>
      <td class="number" title={sweep.createdAt ?? undefined}>
        {formatAge(sweep.createdAt ?? sweep.startTime, nowMs)}
      </td>
    </tr>
  );
}

/** For the eye; its words stand beside it. */
export function ProgressBar({
  done,
  failed,
  total,
}: {
  readonly done: number;
  readonly failed: number;
  readonly total: number;
}) {
  const share = (count: number) => `${total === 0 ? 0 : (100 * count) / total}%`;
  return (
    <div class="bar" aria-hidden="true">
      <div class="done" style={{ width: share(done - failed) }} />
      <div class="failed" style={{ width: share(failed) }} />
    </div>
  );
}
