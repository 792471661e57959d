// Runs an .onnx in ONNX Runtime Web and prints its outputs as JSON.
// node ort_web.mjs MODEL PIXELS TYPE SHAPE, from a folder with node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const ort = require("onnxruntime-web");
const [model, pixels, type, shape] = process.argv.slice(2);
const arrays = { int8: Int8Array, uint8: Uint8Array, float32: Float32Array };
const dims = shape.split(",").map(Number);
const length = dims.reduce((product, axis) => product * axis);

ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(model), { executionProviders: ["wasm"] });
const bytes = readFileSync(pixels);
const values = new arrays[type](bytes.buffer, bytes.byteOffset, bytes.byteLength / arrays[type].BYTES_PER_ELEMENT);
const outputs = [];
for (let start = 0; start < values.length; start += length) {
  const input = new ort.Tensor(type, values.slice(start, start + length), dims);
  const results = await session.run({ [session.inputNames[0]]: input });
  outputs.push(Array.from(results[session.outputNames[0]].data));
}
console.log(JSON.stringify({ version: ort.env.versions.web, outputs }));
