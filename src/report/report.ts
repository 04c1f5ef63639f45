import { DATASETS } from '../sweep/dataset.ts';
import { buildData, type ReportInput } from './data.ts';
import { embedJson, html, inlineText } from './html.ts';
import {
  alternativesSection,
  comparisonSections,
  curvesSection,
  modelSection,
  ruleSection,
  runSection,
  seedsSection,
  trialsSection,
  verdictSection,
} from './sections.ts';
import { explainVerdict } from './words.ts';

export type { ReportInput, TrialOutcome } from './data.ts';

/** A script or a style sheet with the hash that lets it through the page's policy: `sha256-…`. */
export interface InlineAsset {
  readonly text: string;
  readonly hash: string;
}

/** Read by the caller: this folder does no I/O. In the order in which they are to run. */
export interface ReportAssets {
  readonly scripts: readonly InlineAsset[];
  readonly styles: readonly InlineAsset[];
}

/** Builds report.html: one file that needs no network, whatever the sweep, its trials and their failures are called.
 * Without its scripts it still shows everything but the charts. The same input gives the same bytes.
 * @throws RangeError if an asset could end its own element
 */
export function buildReport(input: ReportInput, assets: ReportAssets): string {
  const { sweep, trials } = input;
  const { dataset } = sweep.spec.training;
  const data = buildData(input, DATASETS[dataset].classes);
  const explanation = explainVerdict(input, data);
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policyFor(assets)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${sweep.metadata.name}: ${explanation.headline}</title>
${assets.styles.map(({ text }) => html`<style>${inlineText(text)}</style>`)}
</head>
<body>
<a class="skip" href="#trials">Skip to the table of trials</a>
<header><p><strong>${sweep.metadata.name}</strong> <span>${dataset}, ${trials.length} ${trials.length === 1 ? 'network' : 'networks'}, cnn-sweep</span></p>
<label>Theme <select id="theme"><option value="">system</option><option value="light">light</option><option value="dark">dark</option></select></label></header>
<main>
${verdictSection(input, explanation)}
<noscript><p class="hint">The charts need JavaScript; everything else is below.</p></noscript>
${curvesSection(data)}
${comparisonSections(data)}
${trialsSection(data)}
${seedsSection(input, data)}
${alternativesSection(input, data)}
<div class="two">${modelSection(input)}<div>${ruleSection(input)}${runSection(input)}</div></div>
</main>
<script type="application/json" id="data">${embedJson(data)}</script>
${assets.scripts.map(({ text }) => html`<script>${inlineText(text)}</script>`)}
</body>
</html>
`.text;
}

/** The page's content security policy: nothing is loaded and nothing is sent; only what carries one of these hashes runs. */
export function policyFor({ scripts, styles }: ReportAssets): string {
  const hashes = (list: readonly InlineAsset[]) => list.map(({ hash }) => `'${hash}'`).join(' ') || "'none'";
  return `default-src 'none'; script-src ${hashes(scripts)}; style-src ${hashes(styles)}; base-uri 'none'; form-action 'none'`;
}
