// axe finds nothing serious, in either theme, wide and narrow, in every pane.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { test } from "node:test";
import { open, verdict } from "./page.js";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

async function check(page, where) {
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  assert.ok(passes.length > 10, `${where}: axe looked at nothing`);
  const serious = violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map(({ id, help, nodes }) => `${where}: ${id} (${help}): ${nodes.slice(0, 3).map((n) => n.html.slice(0, 140)).join(" | ")}`);
  assert.deepEqual(serious, []);
}

for (const colorScheme of ["light", "dark"]) {
  test(`accessible, ${colorScheme}`, async () => {
    const page = await open({ colorScheme, reducedMotion: "reduce" });
    await verdict(page, "✕ Rejected");
    await page.evaluate(axe);
    for (const tab of ["Why", "Log", "Run", "Maps"]) {
      await page.getByRole("tab", { name: tab }).click();
      await check(page, tab);
    }
    await page.getByRole("button", { name: "Outline" }).click();
    await page.getByRole("button", { name: "Edit", exact: true }).click();
    await check(page, "editor");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /Protocol counter/ }).click();
    await check(page, "gallery");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "C and instructions" }).click();
    await page.getByRole("tab", { name: "Why" }).click();
    await page.getByRole("button", { name: "Add the check" }).click();
    await verdict(page, "✓ Accepted");
    await page.getByRole("button", { name: "Run on packet" }).click();
    await page.getByRole("status", { name: "Result" }).filter({ hasText: "returned" }).waitFor();
    await check(page, "after a run");
    await page.setViewportSize({ width: 390, height: 844 });
    for (const pane of ["Program", "Explore", "State", "Run"]) {
      await page.getByRole("navigation", { name: "Panes" }).getByRole("button", { name: pane }).click();
      await check(page, `narrow ${pane}`);
    }
    assert.deepEqual(page.complaints, []);
    await page.close();
  });
}
