// Opens pages in a headless Chromium and prints, as JSON, what is wrong with each:
// node look.cjs CHROMIUM PAGE…
"use strict";
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const { chromium } = require("playwright-core");

const QUIET = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const VIEWS = [["light", 1280], ["dark", 1280], ["light", 390], ["dark", 390]];

const shown = (page) => page.locator("details.row:visible").count();

async function filters(page, faults) {
  const all = await page.locator("details.row").count();
  if ((await shown(page)) !== all) faults.push("a row is hidden before anybody filters");
  for (const verdict of await page.locator("#filter select[name=verdict] option:not([value=''])").allTextContents()) {
    await page.selectOption("#filter select[name=verdict]", verdict);
    const wanted = await page.locator(`details.row[data-verdict="${verdict}"]`).count();
    if ((await shown(page)) !== wanted) faults.push(`the filter shows other rows than ${verdict}`);
  }
  await page.fill("#filter input", "no row says this");
  if ((await shown(page)) !== 0) faults.push("the filter by text shows rows without it");
  await page.click("#filter button[type=reset]");
  await page.waitForTimeout(50);
  if ((await shown(page)) !== all) faults.push("the filter does not let go");
  for (const link of await page.locator(".lines a").all()) {
    await link.click();
    const open = await page.locator(await link.getAttribute("href")).evaluate((row) => row.open);
    if (!open) faults.push("a link to a row does not open it");
  }
}

async function prints(page, faults) {
  await page.emulateMedia({ media: "print" });
  const bodies = page.locator("details.row:not([open]) .source");
  const closed = await bodies.evaluateAll((all) => all.filter((each) => !each.checkVisibility()).length);
  if (closed) faults.push(`${closed} rows are not printed whole`);
  if (await page.locator("#filter").isVisible()) faults.push("the filter is printed");
}

async function reads(browser, file, faults) {
  const page = await browser.newPage();
  await page.goto(`file://${path.resolve(file)}`);
  if ((await shown(page)) !== (await page.locator("details.row").count())) faults.push("rows are hidden without scripts");
  if (await page.locator("#filter").isVisible()) faults.push("a filter is shown that nothing moves");
  await page.close();
}

async function look(browser, file, [scheme, width], faults) {
  const page = await browser.newPage();
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme: scheme });
  const address = `file://${path.resolve(file)}`;
  page.on("console", (said) => faults.push(`console: ${said.text()}`));
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (asked) => {
    if (asked.url().split("#")[0] !== address && asked.url() !== "data:,") faults.push(`request: ${asked.url()}`);
  });
  await page.goto(address);
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) faults.push(`wider than ${width}`);
  await prints(page, faults);
  await page.emulateMedia({ media: "screen" });
  await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  faults.push(...violations.map((each) => `axe ${each.id} (${scheme}): ${each.nodes[0].html.slice(0, 200)}`));
  if (await page.locator("#filter").count()) await filters(page, faults);
  await page.close();
}

(async () => {
  const [executablePath, ...files] = process.argv.slice(2);
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "chromium-"));
  const options = { executablePath, headless: true, args: QUIET };
  const found = Object.fromEntries(files.map((file) => [file, []]));
  const browser = await chromium.launchPersistentContext(home, options);
  for (const file of files) for (const view of VIEWS) await look(browser, file, view, found[file]);
  await browser.close();
  const plain = await chromium.launchPersistentContext(home, { ...options, javaScriptEnabled: false });
  for (const file of files) await reads(plain, file, found[file]);
  await plain.close();
  fs.rmSync(home, { recursive: true, force: true });
  const told = Object.entries(found).map(([file, faults]) => [path.basename(file), [...new Set(faults)]]);
  console.log(JSON.stringify(Object.fromEntries(told)));
})();
