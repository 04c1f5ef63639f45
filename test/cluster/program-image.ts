import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { buildPrograms, exists, programPath } from './programs.ts';

/** The image of a Pod's first process. */
export function pauseImage(): Promise<ProgramImage> {
  return programImage('pause');
}

export interface ProgramImage {
  readonly name: string;
  readonly archive: string;
}

/** An image that holds one program of ours, as an archive beside that: no registry is asked for one. */
export async function programImage(which: 'pause' | 'actor' | 'nats-server'): Promise<ProgramImage> {
  const name = `localhost/cnn-sweep-${which}:test`;
  await buildPrograms([which]);
  const program = await programPath(which);
  const archive = `${program}.tar`;
  if (await exists(archive)) return { name, archive };
  const layer = pack();
  layer.entry({ name: which, mode: 0o755 }, await readFile(program));
  layer.finalize();
  const layerBytes = await buffer(layer);
  const digest = createHash('sha256').update(layerBytes).digest('hex');
  const image = pack();
  const config = {
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    // The public image of nats-server is found by its name, too.
    config: { Entrypoint: [`/${which}`], User: '65532', Env: ['PATH=/usr/bin:/'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
  };
  image.entry({ name: 'config.json' }, JSON.stringify(config));
  image.entry({ name: 'layer.tar' }, layerBytes);
  image.entry(
    { name: 'manifest.json' },
    JSON.stringify([{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }]),
  );
  image.finalize();
  await pipeline(image, createWriteStream(archive));
  return { name, archive };
}
