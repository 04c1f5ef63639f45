import type { DATASETS, DatasetName } from '../sweep/dataset.ts';

type Facts = (typeof DATASETS)[DatasetName];

/** Node, WebAssembly: complete, to be saved beside the report as classify.mjs. @param folder of the model, seen from there */
export function nodeCode({ height, width, channels, classNames }: Facts, folder: string): string {
  return `// npm install @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-layers@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

const require = createRequire(import.meta.url);
const tf = { ...require('@tensorflow/tfjs-core'), ...require('@tensorflow/tfjs-layers') };
const { setWasmPaths } = require('@tensorflow/tfjs-backend-wasm');
setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + '/');
await tf.setBackend('wasm');

const folder = resolve(import.meta.dirname, ${quoted(folder)});
const { modelTopology, weightsManifest } = JSON.parse(readFileSync(join(folder, 'model.json'), 'utf8'));
const weights = Buffer.concat(weightsManifest.flatMap(({ paths }) => paths).map((path) => readFileSync(join(folder, path))));
const model = await tf.loadLayersModel(tf.io.fromMemory({
  modelTopology,
  weightSpecs: weightsManifest.flatMap(({ weights }) => weights),
  weightData: new Uint8Array(weights).buffer,
}));

const classes = ${JSON.stringify(classNames)};
/** @param pixels Uint8Array, [${height}, ${width}, ${channels}]: rows, columns, ${channels === 3 ? 'red, green, blue' : 'grey'} */
export function classify(pixels) {
  const images = tf.tensor(Float32Array.from(pixels, (x) => x / 127.5 - 1), [1, ${height}, ${width}, ${channels}]);
  return classes[tf.argMax(model.predict(images), -1).dataSync()[0]]; // the outputs are logits
}
console.log(classify(new Uint8Array(${height * width * channels})));`;
}

/** A browser, over HTTP: browsers do not let a page read files beside it. */
export function browserCode({ height, width, channels }: Facts, folder: string): string {
  return `<script src="tf.min.js"></script> <!-- dist/tf.min.js of @tensorflow/tfjs@4.22.0 -->
<script type="module">
  const model = await tf.loadLayersModel(${quoted(`${folder.split('/').map(encodeURIComponent).join('/')}/model.json`)});
  const image = document.querySelector('img'); // ${height} × ${width} pixels
  const input = tf.browser.fromPixels(image, ${channels}).toFloat().div(127.5).sub(1).expandDims(0);
  console.log(await model.predict(input).softmax().data());
</script>`;
}

/** As a string of JavaScript, whatever a folder is called. */
function quoted(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
