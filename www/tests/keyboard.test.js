// From rejection to fix to run to a changed cell, by keyboard alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, open, verdict } from "./page.js";

/** Presses Tab until an element with that role and name has the keyboard. */
async function tabTo(page, role, name) {
  const wanted = page.getByRole(role, { name, exact: typeof name === "string" });
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press("Tab");
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  assert.fail(`Tab does not come to ${role} "${name}"`);
}

test("by keyboard alone", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  const count = page.getByRole("group", { name: "Step", exact: true });
  const failure = await count.innerText();

  // Steps, by the page's keys.
  await page.keyboard.press("ArrowLeft");
  await page.waitForFunction((text) => !document.querySelector("[aria-label=Step]").innerText.includes(text), failure);
  await page.keyboard.press("x");
  await count.filter({ hasText: failure.split("\n")[0] }).waitFor();

  // The exploration as a tree.
  await tabTo(page, "tree", "Exploration");
  await page.keyboard.press("Home");
  const selected = page.getByRole("treeitem", { selected: true });
  await selected.filter({ hasText: "forks" }).waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");

  // A term of the log, by focus.
  await page.keyboard.press("x");
  await page.keyboard.press("2");
  await tabTo(page, "log", "Verifier log");
  await page.keyboard.press("Tab");
  await page.getByRole("tooltip").waitFor();
  await page.keyboard.press("Escape");

  // The fix, the run, and the cell.
  await page.keyboard.press("1");
  await tabTo(page, "button", "Add the check");
  await page.keyboard.press("Enter");
  await verdict(page, "✓ Accepted");
  await page.keyboard.press("r");
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "returned" }).waitFor();
  await page.keyboard.press("4");
  await cell(page, "counts", 6).waitFor();
  assert.equal(await cell(page, "counts", 6).getByRole("textbox").inputValue(), "1");

  // The cell is edited.
  await tabTo(page, "textbox", "Value of counts 6");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("41");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await cell(page, "counts", 6).getByText("1 →").waitFor();

  // The list of keys, and the gallery, open and close.
  await page.keyboard.press("Escape");
  await tabTo(page, "button", "Keys");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("g");
  const gallery = page.getByRole("dialog", { name: "Gallery" });
  await gallery.waitFor();
  await tabTo(page, "button", /Port firewall/);
  await page.keyboard.press("Enter");
  await gallery.waitFor({ state: "detached" });
  await verdict(page, "✓ Accepted");

  assert.deepEqual(page.complaints, []);
  await page.close();
});
