import { formatSeconds } from '../../report/format.ts';
import type { TrialDetail } from '../api.ts';
import { isRecorded } from './trial-words.ts';
import { formatTime } from './words.ts';

type Attempt = TrialDetail['attempts'][number];

/** A name or a time is one word. */
const WHOLE = { whiteSpace: 'nowrap' };
/** What is left over is for the words. */
const WORDS = { width: '100%', minWidth: '14em' };

/** Every attempt at a trial: where it was, how long it waited and ran, how far it came, and why it ended. */
export function Attempts({ detail: { attempts, row } }: { readonly detail: TrialDetail }) {
  const isLive = (attempt: Attempt) => attempt === attempts.at(-1) && !isRecorded(row) && row.phase !== 'Retrying';
  return (
    <>
      <h2 id="attempts-title">Attempts</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll bare" tabIndex={0} aria-label="Table of attempts">
        <table>
          <thead>
            <tr>
              <th scope="col" class="number">
                Attempt
              </th>
              <th scope="col">Node</th>
              <th scope="col" class="number">
                Waited
              </th>
              <th scope="col" class="number">
                Ran
              </th>
              <th scope="col" class="number">
                Epochs
              </th>
              <th scope="col">Ended</th>
              <th scope="col">UID</th>
            </tr>
          </thead>
          <tbody>
            {attempts.map((one, at) => (
              <tr key={one.attemptUID ?? at}>
                <td class="number">{one.attempt}</td>
                <td style={WHOLE}>{one.node ?? '–'}</td>
                <td class="number">
                  {stretch(one.createdAt, one.startedAt ?? one.endedAt, isLive(one) ? 'still waits' : '')}
                </td>
                <td class="number">{stretch(one.startedAt, one.endedAt, isLive(one) ? 'still runs' : '')}</td>
                <td class="number">{one.epochsDone}</td>
                <td style={WORDS}>{wordsOf(one)}</td>
                <td style={WHOLE}>{one.attemptUID === null ? '–' : <code>{one.attemptUID}</code>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}

/** `12 s`; of what has no end yet that it goes on */
function stretch(from: string | null, to: string | null, still: string): string {
  if (from === null) return '–';
  if (to === null) return still || '–';
  return formatSeconds(Math.max(0, Date.parse(to) - Date.parse(from)) / 1000);
}

function wordsOf({ reason, isShown }: Attempt): string {
  return [reason, isShown ? 'its curve is shown' : ''].filter((words) => words !== '').join('; ') || '–';
}

/** What happened to the trial, the oldest first. */
export function Events({ events }: { readonly events: TrialDetail['events'] }) {
  if (events.length === 0) return null;
  return (
    <>
      <h3 id="happened-title">What happened</h3>
      <ol class="notes" aria-labelledby="happened-title">
        {events.map(({ at, attempt, words }, place) => (
          <li key={place}>
            {at === null ? 'Time not known' : formatTime(at)}: attempt {attempt} {words}
          </li>
        ))}
      </ol>
    </>
  );
}
