// The exploration: the control-flow graph with its budget, search, folding, why a path was cut short, and where
// a value came from.

import assert from "node:assert/strict";
import { test } from "node:test";
import { example, open, verdict, write } from "./page.js";

const explore = (page, view) =>
  page.getByRole("group", { name: "View of the exploration" }).getByRole("button", { name: view, exact: true });

test("the budget, per block and branch", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await example(page, "Header checksum");
  await verdict(page, "✓ Accepted");
  await explore(page, "Budget").click();
  const blocks = page.getByRole("grid", { name: "Blocks" });
  const rows = blocks.getByRole("row");
  await rows.first().waitFor();
  // The loop's body is where the budget went, and its branch back is charged for the rounds behind it.
  await rows.first().getByRole("rowheader", { name: /^20 to 24\b/ }).waitFor();
  const back = rows.filter({ hasText: /↳ w5 < w4 → 17/ });
  assert.match(await back.innerText(), /\d\d %/);
  const walked = await rows.filter({ hasNotText: "↳" }).evaluateAll((rows) =>
    rows.map((row) => Number(row.children[2].textContent.replaceAll(",", ""))),
  );
  const steps = Number((await page.getByRole("group", { name: "Step", exact: true }).innerText()).match(/of (\d+)/)[1]);
  assert.equal(walked.reduce((all, one) => all + one), steps);
  assert.deepEqual(walked, walked.toSorted((a, b) => b - a));

  // A block is chosen by keyboard, and everything follows.
  await blocks.focus();
  await page.keyboard.press("End");
  await blocks.getByRole("row", { selected: true }).waitFor();
  const slot = (await blocks.getByRole("row", { selected: true }).innerText()).match(/^\d+/)[0];
  await page.getByRole("listbox", { name: "Instructions" }).getByRole("option", { selected: true }).filter({ hasText: slot }).waitFor();

  await page.getByRole("combobox", { name: "Colour blocks by" }).selectOption("States kept");
  await explore(page, "Graph").click();
  assert.equal(await page.getByRole("grid", { name: "Blocks" }).getByRole("row", { selected: true }).count(), 1);
  // The view stays through a reload.
  await page.reload();
  await verdict(page, "✓ Accepted");
  await page.getByRole("grid", { name: "Blocks" }).getByRole("row").first().waitFor();
  assert.equal(await explore(page, "Graph").getAttribute("aria-pressed"), "true");

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("search, fold, and why a path was cut short", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await example(page, "Header checksum");
  await verdict(page, "✓ Accepted");
  const tree = page.getByRole("tree", { name: "Exploration" });

  await page.getByRole("searchbox", { name: "Search the exploration" }).fill("bpf_map_lookup");
  const found = page.getByRole("status", { name: "Found" });
  await found.filter({ hasText: /[1-9]\d* nodes?/ }).waitFor();
  await page.getByRole("button", { name: "Next found" }).click();
  const selected = tree.getByRole("treeitem", { selected: true });
  await selected.waitFor();
  const first = await selected.innerText();
  await page.keyboard.press("Home");
  await page.getByRole("searchbox", { name: "Search the exploration" }).press("Enter");
  await page.waitForFunction((text) => document.querySelector("[role=treeitem][aria-selected=true]")?.innerText !== text, first);

  // By the tree's keys: fold below the root, and unfold.
  await tree.focus();
  await page.keyboard.press("Home");
  await tree.getByRole("treeitem", { selected: true, expanded: true }).waitFor();
  const rows = await tree.getByRole("treeitem").count();
  await page.keyboard.press("Space");
  await tree.getByRole("treeitem", { selected: true, expanded: false }).filter({ hasText: /\d+ folded/ }).waitFor();
  assert.equal(await tree.getByRole("treeitem").count(), 1);
  await page.keyboard.press("ArrowRight");
  await tree.getByRole("treeitem", { selected: true, expanded: true }).waitFor();
  assert.equal(await tree.getByRole("treeitem").count(), rows);
  await page.getByRole("button", { name: "Fold", exact: true }).click();
  await page.getByRole("button", { name: "Unfold all" }).click();
  await page.getByRole("button", { name: "Unfold all" }).waitFor({ state: "detached" });

  // A pruned leaf says which state covers it, register by register.
  await explore(page, "Outline").click();
  await tree.getByRole("treeitem").filter({ hasText: "pruned" }).first().click();
  const grid = page.getByRole("grid", { name: "Comparison with the covering state" });
  await grid.getByRole("rowheader", { name: "r10" }).waitFor();
  await grid.getByText("the same").first().waitFor();
  assert.ok((await grid.getByRole("row").count()) > 6);
  await page.getByRole("region", { name: "Why this path was cut short" }).getByRole("button", { name: /the state kept at step/ }).click();
  await grid.waitFor({ state: "detached" });

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("where a value came from, and what a step relies on", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "r0: where this came from" }).click();
  const chain = page.getByRole("list", { name: "Where it came from" });
  await chain.getByRole("button", { name: /bpf_map_lookup_elem gives/ }).click();
  await page.getByRole("listbox", { name: "Instructions" }).getByRole("option", { selected: true }).filter({ hasText: "call bpf_map_lookup_elem" }).waitFor();

  // A variable offset into the stack: the verifier relies on it exactly, and says where it came from.
  await page.keyboard.press("g");
  await page.getByRole("button", { name: "Type assembly" }).click();
  await write(page, page.getByRole("textbox", { name: "Assembly" }), 
    ".type socket_filter\n.license GPL\n\nr6 = 3\nr7 = 0\nagain:\nr7 += 1\nif r7 < r6 goto again\nr0 = r7\nexit\n",
  );
  await verdict(page, "✓ Accepted");
  const relied = page.getByRole("region", { name: "Relied on exactly" });
  for (let presses = 0; presses < 20 && !(await relied.isVisible()); presses += 1) {
    await page.getByRole("button", { name: "Next step" }).click();
    await page.waitForTimeout(50);
  }
  await relied.getByRole("button").first().waitFor();

  assert.deepEqual(page.complaints, []);
  await page.close();
});
