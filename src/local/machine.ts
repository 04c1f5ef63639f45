import { arch, cpus, platform } from 'node:os';
import type { Machine } from './verdict.ts';

export function thisMachine(): Machine {
  return { os: platform(), arch: arch(), cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length };
}
