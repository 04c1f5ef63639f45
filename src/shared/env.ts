import { homedir } from 'node:os';
import { join } from 'node:path';

/** What the environment says, read once by whoever starts the program and then passed on. */
export interface Environment {
  /** Where data sets and compiled bindings are kept between runs: `$XDG_CACHE_HOME/cnn-sweep`, else `~/.cache/cnn-sweep`. */
  readonly cacheFolder: string;
  /** The terminal can place its cursor: TERM is set and not `dumb`. (NO_COLOR is `styleText`'s to read.) */
  readonly canPlaceCursor: boolean;
}

/** The only reader of the process environment. */
export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  // The XDG specification says that a relative path must be ignored.
  const xdg = variables.XDG_CACHE_HOME;
  const cache = xdg?.startsWith('/') ? xdg : join(variables.HOME || homedir(), '.cache');
  return {
    cacheFolder: join(cache, 'cnn-sweep'),
    canPlaceCursor: variables.TERM !== undefined && variables.TERM !== 'dumb',
  };
}

/** The environment of a child process: ours, with some variables set. */
export function childEnvironment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  return { ...process.env, ...extra };
}
