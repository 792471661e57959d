// Opens Netron's page in Chromium and prints as JSON the names of the tensors between its nodes.
// node netron_page.mjs ADDRESS CHROMIUM, from a folder with node_modules.

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const [address, executablePath] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const page = await browser.newPage();
  // The page reports its use to others.
  await page.route((url) => url.origin !== new URL(address).origin, (route) => route.abort());
  await page.goto(address);
  await page.locator("#message-button").click();
  await page.locator("#target .node").first().waitFor();
  // Not `page.evaluate`: the page has replaced `eval`.
  const ids = [...(await page.content()).matchAll(/ id="edge-([^"]*)"/g)].map((match) => match[1]);
  console.log(JSON.stringify(ids.map((id) => id.split("\n")[0])));
} finally {
  await browser.close();
}
