// Runs a .tflite in LiteRT.js in Chromium and prints its outputs as JSON.
// node litert_js.mjs MODEL PIXELS TYPE SHAPE CHROMIUM, from a folder with node_modules.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const [model, pixels, type, shape, executablePath] = process.argv.slice(2);
const TYPES = { js: "text/javascript", wasm: "application/wasm" };
const PAGE = `<!doctype html><script type="importmap">{"imports": {
  "@litertjs/core": "/node_modules/@litertjs/core/dist/index.js",
  "@litertjs/wasm-utils": "/node_modules/@litertjs/wasm-utils/dist/index.js"}}</script>`;

// Nothing comes from the network: every address is a file.
function answer(route) {
  const { pathname } = new URL(route.request().url());
  if (pathname === "/") return route.fulfill({ contentType: "text/html", body: PAGE });
  if (pathname === "/model") return route.fulfill({ body: readFileSync(model) });
  if (pathname === "/pixels") return route.fulfill({ body: readFileSync(pixels) });
  const contentType = TYPES[pathname.split(".").pop()];
  if (!contentType) return route.fulfill({ status: 404 });
  return route.fulfill({ contentType, body: readFileSync(`.${pathname}`) });
}

async function run([type, dims]) {
  const arrays = { int8: Int8Array, uint8: Uint8Array, float32: Float32Array };
  const litert = await import("@litertjs/core");
  await litert.loadLiteRt("/node_modules/@litertjs/core/wasm/");
  const network = await litert.loadAndCompile("/model", { accelerator: "wasm" });
  const values = new arrays[type](await (await fetch("/pixels")).arrayBuffer());
  const length = dims.reduce((product, axis) => product * axis);
  const outputs = [];
  for (let start = 0; start < values.length; start += length) {
    const input = new litert.Tensor(values.slice(start, start + length), dims);
    const results = await network.run([input]);
    outputs.push(Array.from(await results[0].data()));
    input.delete();
    results.forEach((tensor) => tensor.delete());
  }
  return outputs;
}

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  await page.route("**", answer);
  await page.goto("http://127.0.0.1/");
  const outputs = await page.evaluate(run, [type, shape.split(",").map(Number)]);
  const { version } = JSON.parse(readFileSync("node_modules/@litertjs/core/package.json"));
  console.log(JSON.stringify({ version, outputs }));
} finally {
  await browser.close();
}
