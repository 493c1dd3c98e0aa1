// The run: breakpoints, watched registers, run to, claims; and a map's way out and in.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { cell, example, open, verdict } from "./page.js";

async function ran(page) {
  await verdict(page, "✕ Rejected");
  await example(page, "Protocol counter");
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "Run on packet" }).click();
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "returned" }).waitFor();
}

test("breakpoints, watches, and every value held against its claim", async () => {
  const page = await open();
  await ran(page);
  await page.getByRole("status", { name: "Claims" }).filter({ hasText: /All [1-9]\d* values .* inside/ }).waitFor();
  const steps = page.getByRole("group", { name: "Steps of the run" });
  await steps.getByRole("button", { name: "To the start of the run" }).click();
  await steps.getByText(/^0 of/).waitFor();

  // A breakpoint at the call, by its line.
  const listing = page.getByRole("listbox", { name: "Instructions" });
  const call = listing.getByRole("option").filter({ hasText: "call bpf_map_lookup_elem" });
  await call.click();
  await listing.getByRole("option", { selected: true }).filter({ hasText: "call bpf_map_lookup_elem" }).waitFor();
  await page.keyboard.press("b");
  await call.getByText("breakpoint").waitFor({ state: "attached" });
  const stops = page.getByRole("group", { name: "Breakpoints" });
  await stops.getByText("1 breakpoint").waitFor();
  await stops.getByRole("button", { name: "On to a stop" }).click();
  await page.getByRole("tabpanel").getByText(/^\d+: call bpf_map_lookup_elem/).waitFor();

  // Where r0 changes: behind the call.
  await page.getByRole("button", { name: "Watch r0" }).click();
  const before = await steps.innerText();
  await stops.getByRole("button", { name: "On to a stop" }).click();
  await page.waitForFunction((text) => !document.querySelector("[aria-label='Steps of the run']").innerText.includes(text), before);
  await page.keyboard.press("p");
  await page.getByRole("tabpanel").getByText(/^\d+: call bpf_map_lookup_elem/).waitFor();
  // The breakpoint stays through a reload.
  await page.reload();
  await verdict(page, "✓ Accepted");
  await call.getByText("breakpoint").waitFor({ state: "attached" });

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a map is exported and imported", async () => {
  const page = await open({ acceptDownloads: true });
  await ran(page);
  await page.getByRole("tab", { name: "Maps" }).click();
  for (const [name, pattern] of [["CSV", /^06 00 00 00,01 00 00 00 00 00 00 00$/m], ["JSON", /"key": "06 00 00 00", "value": "01/]]) {
    const waiting = page.waitForEvent("download");
    await page.getByRole("button", { name: `Export ${name}` }).click();
    const download = await waiting;
    assert.equal(download.suggestedFilename(), `counts.${name.toLowerCase()}`);
    assert.match(await readFile(await download.path(), "utf8"), pattern);
  }
  await page.getByLabel("Import").setInputFiles({
    name: "counts.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("key,value\n06 00 00 00,2a 00 00 00 00 00 00 00\n"),
  });
  await cell(page, "counts", 6).getByText("1 →").waitFor();
  assert.equal(await cell(page, "counts", 6).getByRole("textbox").inputValue(), "42");
  await page.getByLabel("Import").setInputFiles({ name: "bad.csv", mimeType: "text/csv", buffer: Buffer.from("nothing\n") });
  await page.getByRole("alert").filter({ hasText: "bad.csv, line 1: expected key,value" }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});
