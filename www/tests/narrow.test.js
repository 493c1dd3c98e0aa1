// 390 px wide, by touch: nothing is wider than the screen, and verdict and step stay.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, open, verdict } from "./page.js";

async function fits(page) {
  const [page_, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(page_ <= screen, `the page is ${page_} px wide on a screen of ${screen}`);
  const outside = await page.evaluate(() =>
    [...document.querySelectorAll("header *, nav *, .stepper *")]
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
      .map((element) => element.outerHTML.slice(0, 80)),
  );
  assert.deepEqual(outside, []);
}

test("390 px wide", async () => {
  const page = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  await verdict(page, "✕ Rejected");
  const panes = page.getByRole("navigation", { name: "Panes" });
  for (const name of ["Program", "Explore", "State", "Run"]) {
    await panes.getByRole("button", { name }).tap();
    await fits(page);
    assert.ok(await page.getByRole("status", { name: "Verdict" }).isVisible());
    assert.ok(await page.getByRole("button", { name: "Previous step" }).isVisible());
  }
  await page.getByRole("tab", { name: "Log" }).tap();
  await page.getByRole("log", { name: "Verifier log" }).getByText("map_value_or_null").last().tap();
  await page.getByRole("tooltip").waitFor();
  await fits(page);
  await page.getByRole("tab", { name: "Why" }).tap();
  await page.getByRole("button", { name: "Add the check" }).tap();
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "Run on packet" }).tap();
  await page.getByRole("tab", { name: "Maps" }).tap();
  await cell(page, "counts", 6).getByText("0 →").waitFor();
  await fits(page);
  await panes.getByRole("button", { name: "Explore" }).tap();
  await page.getByRole("tree", { name: "Exploration" }).getByRole("treeitem").filter({ hasText: "exit" }).first().tap();
  await fits(page);
  await page.getByRole("button", { name: /Protocol counter/ }).tap();
  await page.getByRole("dialog", { name: "Gallery" }).waitFor();
  await fits(page);
  assert.deepEqual(page.complaints, []);
  await page.close();
});
