import { DATASETS } from '../sweep/dataset.ts';
import { formatAccuracy, formatLoss } from '../sweep/figures.ts';
import { percent, points } from '../sweep/finding.ts';
import { groupBySeed, type SeedGroup } from '../sweep/seeds.ts';
import { GLYPHS, STATUS_WORDS } from './charts/marks.ts';
import { scoredTrials } from './charts/parameters.ts';
import type { ReportData, ReportInput, TrialView } from './data.ts';
import { capitalised, formatCount, formatSeconds, plural } from './format.ts';
import { html, type Markup } from './html.ts';
import { browserCode, nodeCode } from './usage.ts';
import { type Explanation, explainAlternative, explainSeeds, isFinished } from './words.ts';

export function verdictSection(input: ReportInput, { headline, sentence, notes, remark }: Explanation): Markup {
  return html`<section id="verdict" aria-labelledby="headline">
<h1 id="headline">${headline}</h1>${
    remark !== undefined &&
    html`
<p class="remark">${remark}</p>`
  }
<p class="lead">${sentence}</p>
${figures(input)}
<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>
</section>`;
}

function figures({ verdict: { best }, winnerTest }: ReportInput): Markup | null {
  if (!best) return null;
  const { validationLoss, validationLossStandardError } = best;
  return html`<dl class="figures">
${figure('Validation loss', formatLoss(validationLoss), `± ${formatLoss(validationLossStandardError)}`)}
${figure('Validation accuracy', formatAccuracy(best.validationAccuracy), `epoch ${best.epoch}`)}
${figure('Test accuracy', formatAccuracy(winnerTest?.accuracy), winnerTest ? `loss ${formatLoss(winnerTest.loss)}` : 'not opened')}
${figure('Gap', points(best.gap), 'training − validation')}
${figure('Rise', percent(best.rise), 'above its minimum')}
${figure('Parameters', formatCount(best.parameterCount), '')}
</dl>`;
}

function figure(name: string, value: string, detail: string): Markup {
  return html`<div><dt>${name}</dt><dd>${value}<small>${detail}</small></dd></div>`;
}

export function curvesSection(data: ReportData): Markup {
  const hasCurves = data.trials.some(({ curve }) => curve !== null);
  return html`<section id="curves" aria-labelledby="curves-title">
<h2 id="curves-title">Learning curves</h2>
<div class="tools"${!hasCurves && html` hidden`}>
<div class="pick-trial"><label for="trial">Trial</label><select id="trial">${data.trials.map(
    (view) => html`<option value="${view.trial}">${view.name}</option>`,
  )}</select><button type="button" id="previous" aria-label="previous trial">←</button><button type="button" id="next" aria-label="next trial">→</button></div>
<fieldset class="choice"><legend>Show</legend>
<label><input type="radio" name="quantity" value="loss" checked> Loss</label>
<label><input type="radio" name="quantity" value="accuracy"> Accuracy</label></fieldset>
<p class="key"><span class="solid"></span> validation <span class="dashed"></span> training <span class="shade"></span> gap of the selected trial</p>
</div>
${hasCurves ? chart('curves-chart', 'Learning curves') : html`<p class="hint">No trial has a curve yet.</p>`}
</section>`;
}

/** Without a validation loss both would be empty: a sentence stands in their place. */
export function comparisonSections(data: ReportData): Markup {
  if (scoredTrials(data).length === 0) {
    return html`<section id="size" aria-labelledby="size-title">
<h2 id="size-title">Loss against size</h2>
<p class="hint">No trial has a validation loss to compare yet: the charts of size and of the grid need one trial that has ended.</p>
</section>`;
  }
  const options = data.axes.map((axis, at) => html`<option value="${at}">${axis.label}</option>`);
  const heatMap = html`<section id="heat" aria-labelledby="heat-title">
<h2 id="heat-title">The grid</h2>
<div class="tools">
<label>Across <select id="across">${options}</select></label>
${data.axes.length > 1 && html`<label>Down <select id="down">${options}</select></label>`}
${
  data.axes.length > 2 &&
  data.axes.map(
    ({ label, values }, at) =>
      html`<label data-fixed="${at}">${capitalised(label)} <select><option value="">best of all</option>${values.map(
        (value, position) => html`<option value="${position}">${value}</option>`,
      )}</select></label>`,
  )
}
</div>
${chart('heat-chart', 'Validation loss by two axes of the grid')}
${statusKey(data.trials)}
</section>`;
  return html`<div class="${data.axes.length > 0 ? 'two' : ''}">
<section id="size" aria-labelledby="size-title">
<h2 id="size-title">Loss against size</h2>
<p class="key"><span class="band"></span> one standard error above the lowest loss that does not overfit</p>
${chart('size-chart', 'Validation loss against parameters')}
${statusKey(scoredTrials(data))}
</section>
${data.axes.length > 0 && heatMap}
</div>`;
}

function statusKey(trials: readonly TrialView[]): Markup {
  const present = [...new Set(trials.map(({ status }) => status))];
  return html`<p class="key">${present.map((status) => html`<span class="item">${statusGlyph(status)} ${STATUS_WORDS[status].toLowerCase()}</span> `)}</p>`;
}

function chart(id: string, label: string): Markup {
  return html`<figure id="${id}"><div class="chart" tabindex="0" role="group" aria-label="${label}: arrow keys choose a trial"></div>
<div class="legend"></div><figcaption></figcaption>
<details class="table"><summary>These figures as a table</summary><div class="scroll" tabindex="0" role="region" aria-label="${label}, as a table"></div></details></figure>`;
}

export function statusGlyph(status: TrialView['status']): Markup {
  return html`<span class="glyph ${status}" aria-hidden="true">${GLYPHS[status]}</span>`;
}

type Column = readonly [key: string, label: string, cell: (view: TrialView) => string];

/** Column keys are fields of TrialView: the page sorts by them. */
const COLUMNS: readonly Column[] = [
  ['parameterCount', 'Parameters', (v) => formatCount(v.parameterCount)],
  ['keptEpoch', 'Kept epoch', (v) => (v.keptEpoch === null ? '–' : String(v.keptEpoch))],
  ['validationLoss', 'Validation loss', (v) => formatLoss(v.validationLoss)],
  ['trainLoss', 'Training loss', (v) => formatLoss(v.trainLoss)],
  ['validationAccuracy', 'Validation accuracy', (v) => formatAccuracy(v.validationAccuracy)],
  ['trainAccuracy', 'Training accuracy', (v) => formatAccuracy(v.trainAccuracy)],
  ['gap', 'Gap, points', (v) => (v.gap === null ? '–' : (100 * v.gap).toFixed(1))],
  ['rise', 'Rise', (v) => (v.rise === null ? '–' : percent(v.rise))],
  ['seconds', 'Time', (v) => formatSeconds(v.seconds)],
  ['attempts', 'Attempts', (v) => (v.attempts === null ? '–' : String(v.attempts))],
];

/** More rows than this wait behind a button: the browser need not lay them out. */
export const FIRST_ROWS = 100;

export function trialsSection(data: ReportData): Markup {
  const rows = data.trials.toSorted((a, b) => a.rank - b.rank);
  const more = rows.length - FIRST_ROWS;
  return html`<section id="trials" aria-labelledby="trials-title">
<h2 id="trials-title">All ${plural(rows.length, 'trial')}</h2>
<div class="tools">${rows.length > 12 && html`<label>Filter <input type="search" id="filter" placeholder="name, finding or reason" autocomplete="off" spellcheck="false"></label>`}
<p id="count" class="key" role="status"></p></div>
<div class="scroll" tabindex="0" role="region" aria-label="Table of trials">
<table id="trials-table"><thead><tr>${header('trial', '#', 'number')}${header('name', 'Network', 'text')}${header('status', 'Finding', 'text')}${COLUMNS.map(
    ([key, label]) => header(key, label, 'number'),
  )}</tr></thead>
<tbody>${rows.map((view, at) => trialRow(view, data.best, at))}</tbody></table></div>
${more > 0 && html`<p class="more"><button type="button" id="more">Show all ${formatCount(rows.length)} trials</button></p>`}
</section>`;
}

function header(key: string, label: string, kind: string): Markup {
  return html`<th scope="col" class="${kind}"><button type="button" data-sort="${key}">${label}</button></th>`;
}

function trialRow(view: TrialView, best: number | null, at: number): Markup {
  const won = view.trial === best && html` <strong class="won">best</strong>`;
  return html`<tr data-trial="${view.trial}"${at >= FIRST_ROWS && html` class="later"`}><td class="number">${view.trial}</td>
<th scope="row"><button type="button" class="pick">${view.name}</button>${won}</th>
<td class="finding">${statusGlyph(view.status)} ${STATUS_WORDS[view.status]}<span class="reason"><bdi>${view.reason}</bdi></span></td>${COLUMNS.map(
    ([, , cell]) => html`<td class="number">${cell(view)}</td>`,
  )}</tr>
`;
}

/** How much of the figures is luck; left out where `seed` is no axis. */
export function seedsSection({ trials, verdict }: ReportInput, data: ReportData): Markup | null {
  const groups = groupBySeed(trials, verdict.findings);
  if (groups.length === 0) return null;
  const names = new Map(data.trials.map(({ trial, name }) => [trial, name.replace(/, seed \d+$/, '')]));
  const loss = ({ meanValidationLoss }: SeedGroup) => meanValidationLoss ?? Number.MAX_VALUE;
  const rows = groups.toSorted((a, b) => loss(a) - loss(b));
  return html`<section id="seeds" aria-labelledby="seeds-title">
<h2 id="seeds-title">Over the seeds</h2>
<p>${explainSeeds(rows, verdict.best, (group) => names.get(group.trials[0] ?? -1) ?? group.network)}</p>
<div class="scroll" tabindex="0" role="region" aria-label="Each network over its seeds"><table><thead><tr><th scope="col">Network</th>${[
    'Mean validation loss',
    'Standard deviation',
    'Lowest',
    'Highest',
    'Mean validation accuracy',
    'Seeds compared',
    'Could win',
  ].map((title) => html`<th scope="col" class="number">${title}</th>`)}</tr></thead>
<tbody>${rows.map(
    (group) => html`<tr><th scope="row">${names.get(group.trials[0] ?? -1) ?? group.network}</th>${[
      formatLoss(group.meanValidationLoss),
      formatLoss(group.standardDeviation),
      formatLoss(group.lowestValidationLoss),
      formatLoss(group.highestValidationLoss),
      formatAccuracy(group.meanValidationAccuracy),
      `${group.compared} of ${group.trials.length}`,
      String(group.eligible),
    ].map((cell) => html`<td class="number">${cell}</td>`)}</tr>
`,
  )}</tbody></table></div>
</section>`;
}

/** Left out where no rule picks anything. */
export function alternativesSection(input: ReportInput, data: ReportData): Markup | null {
  if (input.verdict.alternatives.every(({ trial }) => trial === null)) return null;
  const rows = input.verdict.alternatives.map((alternative) => explainAlternative(alternative, input, data));
  return html`<section id="alternatives" aria-labelledby="alternatives-title">
<h2 id="alternatives-title">What other rules would have picked</h2>
<div class="scroll" tabindex="0" role="region" aria-label="Other rules"><table class="words"><thead><tr><th scope="col">Rule</th><th scope="col">Picks</th><th scope="col">${input.verdict.best ? 'Compared with our pick' : 'With'}</th></tr></thead>
<tbody>${rows.map(({ rule, pick, price }) => html`<tr><th scope="row">${rule}</th><td>${pick}</td><td>${price}</td></tr>`)}</tbody></table></div>
</section>`;
}

/** Without a network to name there is no model either. */
export function modelSection(input: ReportInput): Markup | null {
  const { sweep, verdict, modelFolder } = input;
  if (!verdict.best) return null;
  const facts = DATASETS[sweep.spec.training.dataset];
  const { height, width, channels, classNames } = facts;
  const title = html`<h2 id="model-title">Use the model</h2>`;
  if (modelFolder === null) {
    const why = isFinished(input)
      ? html`The weights of this network were not kept. To have them, train it again in another folder:
<code>cnn-sweep run sweep.yaml --trials ${verdict.best.trial} --folder …</code>`
      : html`The weights of this network are not there. When every trial has ended, those of the best network lie in <code>model/</code> of the run folder.`;
    return html`<section id="model" aria-labelledby="model-title">${title}
<p>${why}</p></section>`;
  }
  const soFar =
    !isFinished(input) &&
    html` The sweep is not finished: they stay as long as this network can still win; at the end
those of the best network lie in <code>model/</code> of the run folder.`;
  return html`<section id="model" aria-labelledby="model-title">${title}
<p>Seen from this report, the weights lie in <code>${modelFolder}/</code>.${soFar} Input: float32 [batch, ${height}, ${width}, ${channels}] (rows, columns,
${channels === 3 ? 'red, green and blue' : 'grey'}), each byte x scaled to x / 127.5 − 1. Output: ${classNames.length} logits, in this order:
${classNames.join(', ')}.</p>
<h3>Node, WebAssembly</h3><pre tabindex="0"><code>${nodeCode(facts, modelFolder)}</code></pre>
<h3>Browser</h3><pre tabindex="0"><code>${browserCode(facts, modelFolder)}</code></pre>
</section>`;
}

export function runSection({ sweep, sweepText, trials, results, machine }: ReportInput): Markup {
  const { training } = sweep.spec;
  const facts = DATASETS[training.dataset];
  const validation = Math.round(training.validationFraction * facts.trainingExamples);
  const left = Math.min(facts.trainingExamples - validation, training.trainingExamples ?? Number.POSITIVE_INFINITY);
  const backends = [...new Set(results.map(({ backend }) => backend).filter((name) => name !== null))];
  const seconds = results.reduce((sum, result) => sum + result.seconds, 0);
  const rows: readonly (readonly [string, string])[] = [
    [
      'Data set',
      `${training.dataset}: ${formatCount(left)} training, ${formatCount(validation)} validation, ${formatCount(facts.testExamples)} test images`,
    ],
    [
      'Training',
      `${plural(training.epochs, 'epoch')} of SGD, batch ${training.batchSize}, learning rate ${training.learningRate}, momentum ${training.momentum}, unless the grid says otherwise`,
    ],
    ['Seed', `${training.seed}: split, initialisation and shuffling`],
    ['Backend', backends.join(', ') || 'none'],
    [
      'Computed',
      `${plural(results.length, 'result')} of ${plural(trials.length, 'trial')}, ${formatSeconds(seconds)} of training in all`,
    ],
    ['Machine', machine],
  ];
  return html`<section id="run" aria-labelledby="run-title">
<h2 id="run-title">How it was run</h2>
<dl class="facts">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<h3>Again</h3>
<pre tabindex="0"><code>cnn-sweep run sweep.yaml</code></pre>
<h3>sweep.yaml, with every default</h3>
<pre tabindex="0" class="long"><code>${sweepText}</code></pre>
</section>`;
}

export function ruleSection(input: ReportInput): Markup {
  const { spec } = input.sweep;
  const { checkpoint, maxLossRise, maxAccuracyGap, parsimony } = spec.selection;
  const kept = checkpoint === 'LastEpoch' ? 'its last epoch' : 'the lowest validation loss within one epoch of t*';
  return html`<section id="rule" aria-labelledby="rule-title">
<h2 id="rule-title">How the verdict is reached</h2>
<ol>
<li>The validation loss of each network is smoothed by a median of three epochs. The epoch at which it is smallest is the turning point, t*.</li>
<li>Each network is kept at ${kept} (<code>checkpoint: ${checkpoint}</code>).</li>
<li>A network is overfit if its smoothed validation loss at the kept epoch stands more than ${percent(maxLossRise)} above its minimum${
    maxAccuracyGap !== undefined &&
    `, or its training accuracy more than ${points(maxAccuracyGap)} above its validation accuracy`
  }. One that is overfit, has diverged or did not finish cannot win.</li>
<li>${
    parsimony === 'OneStandardError'
      ? 'Of the others, those within one standard error of the lowest validation loss count as equal: the one with the fewest parameters wins.'
      : 'Of the others, the lowest validation loss wins.'
  }</li>
<li>The test images take no part in this. ${whoseTestFigures(input)}</li>
</ol></section>`;
}

function whoseTestFigures(input: ReportInput): string {
  if (input.winnerTest) return 'Their figures were opened afterwards, for the winner only.';
  if (!isFinished(input)) return 'Their figures stay sealed until every trial has ended; then the winner’s are opened.';
  return input.verdict.best
    ? 'The winner’s record holds no test figures.'
    : 'Their figures stay sealed: there is no winner to open them for.';
}
