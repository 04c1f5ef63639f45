import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/bin', '/usr/local/bin'];
const find = (program: string) =>
  FOLDERS.map((folder) => path.join(folder, program)).find((file) => existsSync(file)) ?? program;

export const PROMTOOL = find('promtool');
export const PROMETHEUS = find('prometheus');

/** Why tests of it are left out; with CI=true they run, and fail. */
export const NO_PROMETHEUS =
  process.env.CI === 'true' || (path.isAbsolute(PROMTOOL) && path.isAbsolute(PROMETHEUS))
    ? false
    : 'needs prometheus: npm run test:tools';

export interface Answer {
  readonly ok: boolean;
  readonly said: string;
}

/** Runs promtool to its end. */
export function promtool(args: readonly string[], { input = '', cwd }: { input?: string; cwd?: string } = {}) {
  return new Promise<Answer>((resolve) => {
    const child = execFile(PROMTOOL, args, { ...(cwd !== undefined && { cwd }) }, (error, stdout, stderr) =>
      resolve({ ok: error === null, said: `${stdout}${stderr}` }),
    );
    child.stdin?.end(input);
  });
}

/** A folder with these files, for as long as `use` takes. */
export async function withFiles<T>(
  files: Readonly<Record<string, string>>,
  use: (folder: string) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'cnn-sweep-rules-'));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
