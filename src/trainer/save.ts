import { join } from 'node:path';
import { writeDurably } from '../shared/durable.ts';
import { installFolder } from './install.ts';
import type { LayersModel, Tf } from './tf.ts';

/** Writes a model as `tf.loadLayersModel` reads it: model.json and weights.bin, both there or neither, durably.
 * @param folder does not exist yet
 */
export async function saveModel(tf: Tf, model: LayersModel, folder: string): Promise<void> {
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
    await installFolder(folder, async ({ content }) => {
      await writeDurably(join(content, 'weights.bin'), Buffer.concat(buffers));
      await writeDurably(join(content, 'model.json'), Buffer.from(JSON.stringify(manifest)));
    });
    return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
  });
  await model.save(handler);
}
