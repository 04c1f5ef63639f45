import { formatCount } from '../../report/format.ts';
import { formatAccuracy, formatLoss } from '../../sweep/figures.ts';
import { percent, points } from '../../sweep/finding.ts';
import { sweepPath } from './client.ts';
import { usePage } from './context.ts';
import { download, fileName } from './download.ts';
import { Link } from './link.tsx';
import type { SweepState } from './sweep-state.ts';
import { describeEnd, explainAlternative, explainVerdict } from './words.ts';

/** Which network, why, how sure; what other rules would pick and at what price; what can be taken away. */
export function VerdictPanel({ state, isServed }: { readonly state: SweepState; readonly isServed: boolean }) {
  const { sentence, notes } = explainVerdict(state);
  return (
    <section class="verdict" aria-labelledby="verdict-title">
      <h2 id="verdict-title">Verdict{state.verdict?.isFinal ? '' : ' so far'}</h2>
      <p class="lead">{sentence}</p>
      <Figures state={state} />
      <ul class="notes">
        {notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
      </ul>
      <TakeAway state={state} isServed={isServed} />
    </section>
  );
}

function Figures({ state: { verdict } }: { readonly state: SweepState }) {
  const best = verdict?.best;
  if (!best) return null;
  const rows: readonly (readonly [string, string, string])[] = [
    ['Validation loss', formatLoss(best.validationLoss), `± ${formatLoss(best.validationLossStandardError)}`],
    ['Validation accuracy', formatAccuracy(best.validationAccuracy), `epoch ${best.epoch}`],
    [
      'Test accuracy',
      formatAccuracy(verdict?.test?.accuracy),
      verdict?.test ? `loss ${formatLoss(verdict.test.loss)}` : verdict?.isFinal ? 'not known' : 'sealed',
    ],
    ['Accuracy gap', points(best.gap), 'training − validation'],
    ['Loss rise', percent(best.rise), 'above its minimum'],
    ['Parameters', formatCount(best.parameterCount), ''],
  ];
  return (
    <dl class="figures">
      {rows.map(([name, value, more]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            <small>{more}</small>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** What other rules would have picked from the same curves. */
export function Alternatives({ state: { verdict, detail } }: { readonly state: SweepState }) {
  const picks = verdict?.alternatives ?? [];
  if (picks.every(({ trial }) => trial === null)) return null;
  const best = verdict?.best ?? null;
  return (
    <section aria-labelledby="alternatives-title">
      <h2 id="alternatives-title">What other rules would have picked</h2>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="scroll bare" tabIndex={0} aria-label="Other rules">
        <table class="words">
          <thead>
            <tr>
              <th scope="col">Rule</th>
              <th scope="col">Picks</th>
              <th scope="col">{best ? 'Compared with our pick' : 'With'}</th>
            </tr>
          </thead>
          <tbody>
            {picks.map((alternative) => {
              const { rule, pick, price } = explainAlternative(alternative, best, detail.checkpoint);
              return (
                <tr key={alternative.rule}>
                  <th scope="row">{rule}</th>
                  <td>{alternative.trial === null ? pick : <Link to={{ trial: alternative.trial }}>{pick}</Link>}</td>
                  <td>{price}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
    </section>
  );
}

function TakeAway({ state, isServed }: { readonly state: SweepState; readonly isServed: boolean }) {
  const { client } = usePage();
  const { detail, verdict } = state;
  const path = sweepPath(`${detail.namespace}/${detail.name}`);
  const best = verdict?.best;
  const exportVerdict = () => {
    const content = JSON.stringify({ verdict, configuration: detail }, null, 2);
    download(`${fileName(detail.name, 'verdict')}.json`, new Blob([content], { type: 'application/json' }));
  };
  const served: readonly (readonly [string, string])[] = [
    ['Report', 'report.html'],
    ['sweep.yaml', 'sweep.yaml'],
    ['trials.csv', 'trials.csv'],
    ['curves.csv', 'curves.csv'],
  ];
  return (
    <p class="exports">
      {best && verdict.hasModel && isServed && (
        <>
          <a class="button strong" href={client.url(`${path}/trials/${best.trial}/model`)} download>
            Download the model
          </a>
          <span class="hint">
            A zip for TensorFlow.js: model.json, weights.bin
            {detail.source === 'folder' && verdict.isFinal && `; on this machine also in model/ of the run folder`}.
          </span>
        </>
      )}
      {best && !verdict.hasModel && verdict.isFinal && (
        <span class="hint">The weights of this network were not kept.</span>
      )}
      {!isServed && (
        <strong class="over" role="status">
          {describeEnd(detail)}
        </strong>
      )}
      {isServed &&
        served.map(([words, file]) => (
          <a key={file} class="button" href={client.url(`${path}/${file}`)} download={words === file}>
            {words}
          </a>
        ))}
      <button type="button" onClick={exportVerdict}>
        verdict.json
      </button>
    </p>
  );
}
