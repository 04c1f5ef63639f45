import { join } from 'node:path';
import { writeDurably } from '../shared/durable.ts';
import { installFolder } from './install.ts';
import type { LayersModel, Tf } from './tf.ts';

/** A model as `tf.loadLayersModel` reads it, file by file. */
export interface ModelFiles {
  readonly 'model.json': Uint8Array;
  readonly 'weights.bin': Uint8Array;
}

/** The files of a model; a copy, which does not change as the model is trained on. */
export async function modelFiles(tf: Tf, model: LayersModel): Promise<ModelFiles> {
  const saved: ModelFiles[] = [];
  const handler = tf.io.withSaveHandler(async (artifacts) => {
    const { modelTopology, format, generatedBy, convertedBy, weightSpecs, weightData } = artifacts;
    const manifest = {
      format,
      generatedBy,
      convertedBy,
      modelTopology,
      weightsManifest: [{ paths: ['weights.bin'], weights: weightSpecs }],
    };
    const buffers = [weightData ?? []].flat().map((buffer) => new Uint8Array(buffer));
    saved.push({ 'model.json': Buffer.from(JSON.stringify(manifest)), 'weights.bin': Buffer.concat(buffers) });
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await model.save(handler);
  const [files] = saved;
  if (!files) throw new Error('the model was not handed to its save handler');
  return files;
}

/** Writes a model: model.json and weights.bin, both there or neither, durably.
 * @param folder does not exist yet
 */
export async function saveModel(files: ModelFiles, folder: string): Promise<void> {
  await installFolder(folder, async ({ content }) => {
    for (const name of ['weights.bin', 'model.json'] as const) await writeDurably(join(content, name), files[name]);
  });
}
