import { InvalidConfigError, SweepError } from '../sweep/errors.ts';

// What the user has to change, and what may pass by itself.
const MISTAKES: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOENT', 'no such file or folder'],
  ['ENOTDIR', 'a file stands where a folder is needed'],
  ['EEXIST', 'a file stands where a folder is needed'],
  ['EISDIR', 'a folder; expected a file'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ELOOP', 'a symbolic link to itself'],
]);
const TROUBLES: ReadonlyMap<string, string> = new Map([
  ['ENOSPC', 'no space left on the disk; make room and try again'],
  ['EDQUOT', 'the disk quota is used up; make room and try again'],
  ['EMFILE', 'too many open files; raise the limit with ulimit -n'],
  ['ENFILE', 'too many open files on this machine'],
  ['EIO', 'the disk reports an error'],
  ['ENOMEM', 'no memory left'],
  ['EAGAIN', 'the system has no more processes or memory to give; lower --parallelism'],
]);
const TEMPORARY = /\.[0-9a-f-]{36}\.tmp$/;

/** An error of the operating system as a person reads it: `runs/study: permission denied (EACCES)`.
 * @param what whose fault it is; absent: the path that the error names
 * @returns InvalidConfigError if the same call can never work, SweepError if it may; undefined for any other error
 */
export function systemError(error: unknown, what?: string): SweepError | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  const code = String(error.code);
  const path = 'path' in error ? String(error.path).replace(TEMPORARY, '') : '';
  const said = (words: string) => [what ?? path, `${words} (${code})`].filter(Boolean).join(': ');
  const mistake = code === 'ENOENT' && error.syscall === 'mkdir' ? 'no folder can be made here' : MISTAKES.get(code);
  if (mistake !== undefined) return new InvalidConfigError(said(mistake), { cause: error });
  return new SweepError('SystemError', said(TROUBLES.get(code) ?? error.message), { cause: error });
}
