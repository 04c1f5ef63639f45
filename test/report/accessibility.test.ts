import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { readReportAssets } from '../../src/dashboard/report-assets.ts';
import { buildReport, type ReportInput } from '../../src/report/report.ts';
import { launchBrowser, skipWithoutBrowser } from '../browser.ts';
import { makeLargeReport, makeStudyReport, makeTroubledReport } from '../builders.ts';
import { makeBegunReport } from './close.ts';

/** The script of axe-core: a development dependency, or that of AXE_CORE, a folder of its package. */
function findAxe(): string | undefined {
  const folder = process.env.AXE_CORE ?? packageFolder('axe-core');
  const script = folder && join(folder, 'axe.min.js');
  return script && existsSync(script) ? script : undefined;
}

function packageFolder(name: string): string | undefined {
  try {
    const found = findPackageJSON(name, import.meta.url);
    return found && dirname(found);
  } catch {
    return undefined;
  }
}

const axe = findAxe();
const skip =
  skipWithoutBrowser || (axe === undefined && 'axe-core is not installed: npm install, or AXE_CORE=<folder>');

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly target: unknown; readonly failureSummary?: string }[];
}

describe('the report is accessible, says axe-core', { skip }, () => {
  let browser: Browser;
  let folder: string;
  let assets: Awaited<ReturnType<typeof readReportAssets>>;

  before(async () => {
    browser = await launchBrowser();
    folder = await mkdtemp(join(tmpdir(), 'cnn-sweep-axe-'));
    assets = await readReportAssets();
  });
  after(async () => {
    await browser?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  /** What axe-core finds in a page as it is, one line a node; no rule is switched off. @param prepare what somebody did before */
  async function complaintsOf(
    input: ReportInput,
    theme: 'light' | 'dark',
    width: number,
    prepare?: (page: Page) => Promise<void>,
  ): Promise<string[]> {
    const file = join(folder, 'report.html');
    await writeFile(file, buildReport(input, assets));
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: theme });
    await page.goto(pathToFileURL(file).href);
    for (const summary of await page.locator('details:visible > summary').all()) await summary.click();
    await prepare?.(page);
    // Through the debugger: the page's own policy lets no script in.
    await page.evaluate(readFileSync(axe ?? '', 'utf8'));
    const violations: Violation[] = await page.evaluate('axe.run().then(({ violations }) => violations)');
    await page.close();
    return violations.flatMap(({ id, help, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${help}: ${target}: ${failureSummary}`),
    );
  }

  const reports: Record<string, () => ReportInput> = {
    'the study': makeStudyReport,
    'a study with failed, stopped and diverged trials': makeTroubledReport,
    'a study without a finished trial': makeBegunReport,
    'three hundred trials of three seeds': () => makeLargeReport(300),
  };
  for (const [sentence, input] of Object.entries(reports))
    for (const { theme, width } of [
      { theme: 'light', width: 360 },
      { theme: 'dark', width: 1280 },
    ] as const)
      test(`${sentence}, ${theme}, ${width} pixels wide`, async () => {
        assert.deepEqual(await complaintsOf(input(), theme, width), []);
      });

  test('a chart whose tip is shown', async () => {
    const hover = async (page: Page) => {
      await page.locator('.chart [data-mark=dot] circle').first().hover({ force: true });
      await page.locator('.chart [data-mark=tip] text').first().waitFor();
    };
    assert.deepEqual(await complaintsOf(makeStudyReport(), 'light', 1280, hover), []);
  });
});
