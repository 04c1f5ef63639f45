import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemError } from '../../src/cli/system-error.ts';
import { InvalidConfigError } from '../../src/sweep/errors.ts';

function fail(code: string, path?: string): Error {
  return Object.assign(new Error(`${code}: said by the system`), { code, syscall: 'open', ...(path && { path }) });
}

const cases: Record<string, { error: Error; what?: string; want: string; mistake: boolean }> = {
  'a folder without permission is the path that the system names': {
    error: fail('EACCES', '/x/runs'),
    want: '/x/runs: permission denied (EACCES)',
    mistake: true,
  },
  'what the caller names goes before the path': {
    error: fail('EROFS', '/x/runs/lock-1'),
    what: 'runs',
    want: 'runs: the file system is read-only (EROFS)',
    mistake: true,
  },
  'a temporary name is not shown': {
    error: fail('ENOENT', '/x/report.html.0e584aa0-1db6-4e83-99c3-e1eb6cde448f.tmp'),
    want: '/x/report.html: no such file or folder (ENOENT)',
    mistake: true,
  },
  'a folder that the system refuses to make is said so': {
    error: Object.assign(fail('ENOENT', '/proc/x'), { syscall: 'mkdir' }),
    want: '/proc/x: no folder can be made here (ENOENT)',
    mistake: true,
  },
  'a full disk is no mistake of the user': {
    error: fail('ENOSPC'),
    want: 'no space left on the disk; make room and try again (ENOSPC)',
    mistake: false,
  },
  'an unknown code keeps the words of the system': {
    error: fail('EWEIRD', '/x'),
    want: '/x: EWEIRD: said by the system (EWEIRD)',
    mistake: false,
  },
};
for (const [sentence, { error, what, want, mistake }] of Object.entries(cases)) {
  test(sentence, () => {
    const told = systemError(error, what);
    assert.equal(told?.message, want);
    assert.equal(told instanceof InvalidConfigError, mistake);
    assert.equal(told?.cause, error);
  });
}

test('a mistake in the program is none of the system', () => {
  assert.equal(systemError(new TypeError('x is not a function')), undefined);
  assert.equal(systemError('text'), undefined);
  assert.equal(systemError(Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG' })), undefined);
});
