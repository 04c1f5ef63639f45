import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome-stable',
  '/usr/bin/google-chrome',
];

/** The installed Chromium, or undefined. */
export const chromiumPath = PLACES.find((path) => existsSync(path));

/** For node:test's `skip`: false, or what a person should do. Under CI a missing browser is no reason to skip: launching fails. */
export const skipWithoutBrowser: string | false =
  chromiumPath !== undefined || process.env.CI === 'true'
    ? false
    : `no Chromium at ${PLACES.join(', ')}: apt-get install -y chromium`;

/** Starts a browser that makes no calls of its own.
 * @param more arguments of its command line
 * @throws Error if none is installed
 */
export function launchBrowser(more: readonly string[] = []): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(`no Chromium at ${PLACES.join(', ')}: apt-get install -y chromium`);
  return chromium.launch({
    executablePath: chromiumPath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
}
