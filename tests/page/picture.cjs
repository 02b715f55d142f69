// Takes a picture of a page in a headless Chromium, as for the gallery in reports/:
// node picture.cjs CHROMIUM PAGE OUT.png [light|dark|print] [WIDTH] [HEIGHT] [ROW]
// With a ROW, such as RACE-2, the picture is of that row alone.
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { chromium } = require("playwright-core");

(async () => {
  const [executablePath, file, out, look = "light", width = "1280", height = "900", row] = process.argv.slice(2);
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "chromium-"));
  const options = { executablePath, headless: true, args: ["--headless", "--no-sandbox", "--disable-gpu"] };
  const browser = await chromium.launchPersistentContext(home, options);
  const page = await browser.newPage();
  await page.setViewportSize({ width: Number(width), height: Number(height) });
  await page.emulateMedia(look === "print" ? { media: "print" } : { colorScheme: look });
  await page.goto(`file://${path.resolve(file)}${row ? `#${row}` : ""}`);
  if (row) await page.locator(`[id="${row}"]`).screenshot({ path: out });
  else await page.screenshot({ path: out });
  await browser.close();
  fs.rmSync(home, { recursive: true, force: true });
})();
