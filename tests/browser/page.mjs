// Opens pages in Chromium at two widths, light and dark, every part unfolded, and prints as JSON
// what axe-core finds, how far the page is wider than the window, and what it asked the network for.
// node page.mjs CHROMIUM PAGE...

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const [executablePath, ...pages] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
for (const path of pages) {
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [1280, 400]) {
      // The page's own policy forbids scripts, also axe's.
      const context = await browser.newContext({
        viewport: { width, height: 900 }, colorScheme, bypassCSP: true,
      });
      const page = await context.newPage();
      const requests = [];
      page.on("request", (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(path).href);
      await page.evaluate(() => {
        for (const part of document.querySelectorAll("details")) part.open = true;
      });
      const wider = await page.evaluate(() => {
        const root = document.documentElement;
        return root.scrollWidth - root.clientWidth;
      });
      await page.evaluate(axe);
      const { violations, incomplete } = await page.evaluate(() => axe.run());
      found.push({
        path, colorScheme, width, wider,
        requests: requests.filter((url) => !url.startsWith("data:")),
        problems: [...violations, ...incomplete].map(
          ({ id, nodes }) => `${id}: ${nodes.length}, such as ${nodes[0].html.slice(0, 200)}`,
        ),
      });
      await context.close();
    }
  }
}
await browser.close();
console.log(JSON.stringify(found));
