// The first minute: from the rejection that the page opens on to a changed cell of a map, by mouse.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, open, verdict } from "./page.js";

test("the first minute", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");

  // At the failure: a red leaf is selected, the culprit line is marked, one sentence says why.
  const tree = page.getByRole("tree", { name: "Exploration" });
  const leaf = tree.getByRole("treeitem", { selected: true });
  await leaf.filter({ hasText: "rejected" }).waitFor();
  await page.getByRole("listbox", { name: "Instructions" }).getByRole("option", { selected: true }).waitFor();
  const nodes = await tree.getByRole("treeitem").count();
  const registers = page.getByRole("grid", { name: "Registers" });
  await registers.getByRole("row", { name: /^r0\b.*or null/ }).waitFor();
  await page.getByRole("tabpanel").getByText("R0 invalid mem access 'map_value_or_null'").first().waitFor();

  // A term explains itself on hover.
  await page.getByRole("tab", { name: "Log" }).click();
  const log = page.getByRole("log", { name: "Verifier log" });
  await log.getByText("map_value_or_null").first().hover();
  await page.getByRole("tooltip").filter({ hasText: "must be compared with null" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("tooltip").waitFor({ state: "detached" });

  // The suggestion, in one click, makes a second branch that ends well.
  await page.getByRole("tab", { name: "Why" }).click();
  await page.getByRole("button", { name: "Add the check" }).click();
  await verdict(page, "✓ Accepted");
  assert.ok((await tree.getByRole("treeitem").count()) > nodes);
  assert.ok((await tree.getByRole("treeitem").filter({ hasText: "exit" }).count()) >= 2);

  // A run turns a cell from 0 to 1: the packet is TCP, protocol 6.
  await page.getByRole("button", { name: "Run on packet" }).click();
  const count = cell(page, "counts", 6);
  await count.getByText("0 →").waitFor();
  assert.equal(await count.getByRole("textbox").inputValue(), "1");
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "returned" }).waitFor();

  // Reload loses nothing: program, run and map are there again.
  await page.reload();
  await verdict(page, "✓ Accepted");
  await page.getByRole("tab", { name: "Maps" }).click();
  await cell(page, "counts", 6).waitFor();
  assert.equal(await cell(page, "counts", 6).getByRole("textbox").inputValue(), "1");

  // And the edit can be undone.
  await page.getByRole("button", { name: "Undo" }).click();
  await verdict(page, "✕ Rejected");

  assert.deepEqual(page.complaints, []);
  await page.close();
});
