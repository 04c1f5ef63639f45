import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder that package.json is in. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const description: { version: string } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
);

/** The version of cnn-sweep. */
export const VERSION = description.version;
