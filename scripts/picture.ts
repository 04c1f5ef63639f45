// Takes the picture of a report that the README shows: node scripts/picture.ts docs/study/report.html docs/images/report.png
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { launchBrowser } from '../test/browser.ts';

const [report = 'docs/study/report.html', picture = 'docs/images/report.png'] = process.argv.slice(2);
const browser = await launchBrowser();
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 1180 }, colorScheme: 'light' });
  await page.goto(pathToFileURL(resolve(report)).href);
  await page.locator('svg').first().waitFor();
  await page.screenshot({ path: picture });
} finally {
  await browser.close();
}
