// The link holds the whole session, and so does the file.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { cell, open, verdict } from "./page.js";

test("a session is shared by link and by file", async () => {
  const page = await open({ permissions: ["clipboard-read", "clipboard-write"] });
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "Add the check" }).click();
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "Run on packet" }).click();
  await cell(page, "counts", 6).waitFor();

  await page.getByRole("button", { name: "Share" }).click();
  const dialog = page.getByRole("dialog", { name: "Share" });
  const link = await dialog.getByRole("textbox", { name: "Link" }).inputValue();
  await dialog.getByRole("button", { name: "Copy link" }).click();
  await dialog.getByRole("status", { name: "Copied" }).filter({ hasText: "Copied" }).waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    dialog.getByRole("button", { name: "Download session file" }).click(),
  ]);
  const file = await readFile(await download.path());
  await page.close();

  // Someone else opens the link: program, maps and tab are as they were, and the address is clean again.
  const other = await open();
  await verdict(other, "✕ Rejected");
  const fragment = new URL(link).hash;
  await other.evaluate((hash) => (location.hash = hash), fragment);
  await verdict(other, "✓ Accepted");
  await cell(other, "counts", 6).waitFor();
  assert.equal(await cell(other, "counts", 6).getByRole("textbox").inputValue(), "1");
  assert.equal(await other.evaluate(() => location.hash), "");

  // A damaged link is named as such, and what is open stays.
  await other.evaluate((hash) => (location.hash = hash.slice(0, -9)), fragment);
  await other.getByRole("alert").filter({ hasText: "the link is damaged" }).waitFor();
  await other.getByRole("button", { name: "Dismiss" }).click();
  await verdict(other, "✓ Accepted");
  assert.deepEqual(other.complaints, []);
  await other.close();

  // The file opens the same.
  const third = await open();
  await verdict(third, "✕ Rejected");
  await third.keyboard.press("g");
  await third.getByLabel("Open a file").setInputFiles({ name: "session.glasshive", mimeType: "", buffer: file });
  await verdict(third, "✓ Accepted");
  await cell(third, "counts", 6).waitFor();
  assert.deepEqual(third.complaints, []);
  await third.close();
});
