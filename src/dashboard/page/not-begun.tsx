import { formatCount, plural } from '../../report/format.ts';
import type { TrialPhase, TrialRow } from '../api.ts';
import { Link } from './link.tsx';
import { glyphOf, statusWords } from './trial-words.ts';

/** What holds somebody up comes before what merely waits for its turn. */
const ORDER: readonly TrialPhase[] = ['Retrying', 'Pending', 'Queued', 'Waiting'];
const MOST = 50;

/** Trials that nothing runs now, those to look at first; they have no bar, since when they began nobody knows. */
export function notBegun(rows: readonly TrialRow[]): TrialRow[] {
  return rows
    .filter(({ phase, startedAt }) => ORDER.includes(phase) && (startedAt === null || phase === 'Retrying'))
    .toSorted((a, b) => ORDER.indexOf(a.phase) - ORDER.indexOf(b.phase) || a.trial - b.trial);
}

/** Below the timeline: who waits, and for what. */
export function NotBegun({ rows }: { readonly rows: readonly TrialRow[] }) {
  const waiting = notBegun(rows);
  if (waiting.length === 0) return null;
  return (
    <>
      <h3>{plural(waiting.length, 'trial')} not running yet</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll bare" tabIndex={0} aria-label="Trials that do not run yet">
        <table class="waiting">
          <thead>
            <tr>
              <th scope="col">Network</th>
              <th scope="col">State</th>
              <th scope="col">Waits for</th>
            </tr>
          </thead>
          <tbody>
            {waiting.slice(0, MOST).map((row) => (
              <tr key={row.trial}>
                <th scope="row">
                  <Link to={{ view: 'trial', trial: row.trial }}>{row.network}</Link>
                </th>
                <td>
                  <span class="glyph" aria-hidden="true">
                    {glyphOf(row)}
                  </span>{' '}
                  {statusWords(row)}
                </td>
                <td>{row.reason || (row.phase === 'Waiting' ? 'its turn' : '–')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {waiting.length > MOST && (
        <p class="hint">
          {formatCount(MOST)} of {formatCount(waiting.length)};{' '}
          <Link to={{ view: 'trials', phase: 'Waiting' }}>the table of trials has all</Link>.
        </p>
      )}
    </>
  );
}
