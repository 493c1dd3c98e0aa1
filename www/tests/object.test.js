// An object that clang built, which is not in the gallery: dropped, verified, run, its map read and edited.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, drop, open, verdict } from "./page.js";

test("an object is dropped, verified, run, and its map read", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await drop(page, "objects/sizes.o");
  await page.getByRole("button", { name: "sizes.o" }).waitFor();
  await verdict(page, "✓ Accepted");

  // C over its instructions.
  const listing = page.getByRole("listbox", { name: "Instructions" });
  await listing.getByText("bpf_map_lookup_elem(&sizes, &class)").waitFor();
  await listing.getByRole("option", { name: /call bpf_map_lookup_elem#1/ }).click();
  const state = page.getByRole("grid", { name: "Stack" });
  await state.getByRole("row", { name: /^fp-/ }).first().waitFor();

  // 64 bytes: class 64 is counted, twice.
  await page.getByRole("tab", { name: "Run" }).click();
  await page.getByRole("textbox", { name: "Packet in hexadecimal" }).fill("00 ".repeat(64));
  await page.getByText("64 bytes", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Run on this packet" }).click();
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "returned 2" }).waitFor();
  await cell(page, "sizes", 64).getByText("no entry →").waitFor();
  await page.getByRole("button", { name: "Run on this packet" }).click();
  await cell(page, "sizes", 64).getByText("1 →").waitFor();
  assert.equal(await cell(page, "sizes", 64).getByRole("textbox").inputValue(), "2");

  // Back and forth in the run.
  await page.getByRole("button", { name: "To the start of the run" }).click();
  await page.getByText(/^0 of \d+$/).waitFor();
  await page.getByRole("button", { name: "Forward in the run" }).click();
  await page.getByText(/^1 of \d+$/).waitFor();
  await page.getByRole("button", { name: "To the end of the run" }).click();

  // Entries are added, written and deleted.
  await page.getByRole("tab", { name: "Maps" }).click();
  await page.getByRole("textbox", { name: "Key" }).fill("7");
  await page.getByRole("textbox", { name: "Value", exact: true }).fill("0x10");
  await page.getByRole("button", { name: "Add" }).click();
  await cell(page, "sizes", 7).waitFor();
  assert.equal(await cell(page, "sizes", 7).getByRole("textbox").inputValue(), "16");
  await page.getByRole("button", { name: "Delete 64" }).click();
  await cell(page, "sizes", 64).waitFor({ state: "detached" });
  await page.getByRole("textbox", { name: "Key" }).fill("0x123456789");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("alert").filter({ hasText: "key" }).waitFor();
  await page.getByRole("button", { name: "Dismiss" }).click();

  // The other program of the object.
  await page.getByRole("combobox", { name: "Program of the object" }).selectOption({ label: "drop_small (xdp)" });
  await verdict(page, "✓ Accepted");
  await listing.getByText("data + 60 > end").waitFor();

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("what is no program is refused by name and loses nothing", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await drop(page, "../picture.png");
  await page.getByRole("alert").filter({ hasText: "picture.png is no ELF object, no capture and no text" }).waitFor();
  await verdict(page, "✕ Rejected");
  await page.close();
});
