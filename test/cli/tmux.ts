import { execFile, spawnSync } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const isInstalled = spawnSync('tmux', ['-V']).status === 0;

/** For node:test's `skip`: false, or what a person should do. Under CI a missing tmux is no reason to skip: opening fails. */
export const skipWithoutTmux: string | false =
  isInstalled || process.env.CI === 'true' ? false : 'no tmux: npm run test:tools, or apt-get install -y tmux';

const DEADLINE_MS = 120_000;
let terminals = 0;

export interface Terminal {
  readonly type: (...keys: string[]) => Promise<void>;
  readonly resize: (columns: number, rows: number) => Promise<void>;
  /** The visible lines, without trailing blanks. */
  readonly screen: () => Promise<string[]>;
  readonly isAlternate: () => Promise<boolean>;
  /** The screen as soon as it is as wanted. @throws Error with the last screen if that does not come */
  readonly until: (
    wanted: (lines: readonly string[], isAlternate: boolean) => boolean,
    what: string,
  ) => Promise<string[]>;
}

/** A real terminal with an interactive shell in `cwd`. */
export async function openTerminal(context: TestContext, cwd: string, columns = 100, rows = 30): Promise<Terminal> {
  const socket = `cnn-sweep-test-${process.pid}-${terminals++}`;
  const tmux = async (...args: string[]) =>
    (await promisify(execFile)('tmux', ['-L', socket, '-f', '/dev/null', ...args])).stdout;
  const shell = `env -u CI PS1='$ ' TERM=screen-256color sh`;
  await tmux('new-session', '-d', '-s', 't', '-x', `${columns}`, '-y', `${rows}`, '-c', cwd, shell);
  context.after(() => tmux('kill-server').catch(() => undefined));
  const screen = async () =>
    (await tmux('capture-pane', '-p', '-t', 't'))
      .split('\n')
      .slice(0, -1)
      .map((line) => line.trimEnd());
  const isAlternate = async () => (await tmux('display-message', '-p', '-t', 't', '#{alternate_on}')).trim() === '1';
  return {
    screen,
    isAlternate,
    type: async (...keys) => void (await tmux('send-keys', '-t', 't', ...keys)),
    resize: async (width, height) => void (await tmux('resize-window', '-t', 't', '-x', `${width}`, '-y', `${height}`)),
    async until(wanted, what) {
      const deadline = performance.now() + DEADLINE_MS;
      for (;;) {
        const alternate = await isAlternate();
        const lines = await screen();
        if (wanted(lines, alternate)) return lines;
        if (performance.now() > deadline) throw new Error(`never on the screen: ${what}\n${lines.join('\n')}`);
        await sleep(100);
      }
    },
  };
}
