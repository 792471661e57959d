// Runs an .onnx in ONNX Runtime Web in Chromium and prints its outputs as JSON.
// node onnxruntime_web_page.mjs MODEL PIXELS TYPE SHAPE CHROMIUM, from a folder with node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const [model, pixels, type, shape, executablePath] = process.argv.slice(2);
const TYPES = { mjs: "text/javascript", wasm: "application/wasm" };

// Nothing comes from the network: every address is a file.
function answer(route) {
  const { pathname } = new URL(route.request().url());
  if (pathname === "/") return route.fulfill({ contentType: "text/html", body: "<!doctype html>" });
  if (pathname === "/model") return route.fulfill({ body: readFileSync(model) });
  if (pathname === "/pixels") return route.fulfill({ body: readFileSync(pixels) });
  const contentType = TYPES[pathname.split(".").pop()];
  if (!contentType) return route.fulfill({ status: 404 });
  return route.fulfill({ contentType, body: readFileSync(`.${pathname}`) });
}

async function run([type, dims]) {
  const arrays = { int8: Int8Array, uint8: Uint8Array, float32: Float32Array };
  const ort = await import("/node_modules/onnxruntime-web/dist/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  const file = new Uint8Array(await (await fetch("/model")).arrayBuffer());
  const session = await ort.InferenceSession.create(file, { executionProviders: ["wasm"] });
  const values = new arrays[type](await (await fetch("/pixels")).arrayBuffer());
  const length = dims.reduce((product, axis) => product * axis);
  const outputs = [];
  for (let start = 0; start < values.length; start += length) {
    const input = new ort.Tensor(type, values.slice(start, start + length), dims);
    const results = await session.run({ [session.inputNames[0]]: input });
    outputs.push(Array.from(results[session.outputNames[0]].data));
  }
  return { version: ort.env.versions.web, outputs };
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  await page.route("**", answer);
  await page.goto("http://127.0.0.1/");
  console.log(JSON.stringify(await page.evaluate(run, [type, shape.split(",").map(Number)])));
} finally {
  await browser.close();
}
