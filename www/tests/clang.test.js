// C typed in the page: compiled there, verified, run; its errors by line and column.

import assert from "node:assert/strict";
import { test } from "node:test";
import { cell, open, typed, verdict, write } from "./page.js";

test("C is typed, compiled, verified and run", async () => {
  const page = await open();
  // The compilers are 25 MB to unpack and compile, once.
  page.setDefaultTimeout(90_000);
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("g");
  await page.getByRole("button", { name: "Type C" }).click();
  await verdict(page, "✓ Accepted");

  // A function without its header, where it is.
  const text = page.getByRole("textbox", { name: "C", exact: true });
  const written = await typed(text);
  await write(page, text, written.replace("XDP_PASS", "XDP_PAST"));
  await verdict(page, "✕ Does not compile");
  await page.getByRole("list", { name: "Problems" }).getByText(/^\D*19:9.*undeclared identifier 'XDP_PAST'/).waitFor();

  // A hash may have no value for the key, and nothing checks for that now.
  await write(page, text, written.replace("if (value)", "").replace("MAP_TYPE_ARRAY", "MAP_TYPE_HASH"));
  await verdict(page, "✕ Rejected");

  await write(page, text, written.replace("XDP_PASS", "XDP_DROP"));
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "C and instructions" }).click();
  await page.getByRole("listbox", { name: "Instructions" }).getByText("return XDP_DROP;").waitFor();
  await page.getByRole("button", { name: "Run on packet" }).click();
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "XDP_DROP" }).waitFor();
  await cell(page, "packets", 0).getByText("0 →").waitFor();

  // A reload loses nothing, and needs no compiler.
  await page.reload();
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "Edit C" }).click();
  assert.match(await typed(text), /return XDP_DROP/);
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("an example's C is edited, and undone", async () => {
  const page = await open();
  page.setDefaultTimeout(90_000);
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "Edit C" }).click();
  const text = page.getByRole("textbox", { name: "C", exact: true });
  await page.getByRole("banner").getByText("edited").waitFor();
  await verdict(page, "✕ Rejected");
  assert.match(await typed(text), /SEC\("socket"\)/);
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByRole("banner").getByText("edited").waitFor({ state: "detached" });
  await verdict(page, "✕ Rejected");
  assert.deepEqual(page.complaints, []);
  await page.close();
});
