// The editor: completion, explanations, problems where they are, `/`; undo and redo; the commands; what if.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, typed, verdict, write } from "./page.js";

async function assembly(page) {
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("g");
  await page.getByRole("button", { name: "Type assembly" }).click();
  await verdict(page, "✓ Accepted");
  // CodeMirror takes the plain field's place.
  await page.locator("[data-editor]").waitFor();
  return page.getByRole("textbox", { name: "Assembly" });
}

test("completion, explanations and problems in the editor", async () => {
  const page = await open();
  const text = await assembly(page);
  await write(page, text, ".type xdp\n.license GPL\n\nr0 = 2\nexit\n");
  await text.press("Control+Home");
  for (let line = 0; line < 3; line += 1) await page.keyboard.press("ArrowDown");
  await page.keyboard.type("call bpf_ktime_get_n");
  const list = page.getByRole("listbox").filter({ hasText: "bpf_ktime_get_ns" });
  await list.getByRole("option", { name: /^bpf_ktime_get_ns/ }).first().waitFor();
  await page.waitForTimeout(150);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.match(await typed(text), /^call bpf_ktime_get_ns$/m);
  await verdict(page, "✓ Accepted");

  await text.getByText(/bpf_ktime_get_ns/).last().hover();
  await page.getByRole("tooltip").filter({ hasText: /helper 5, 0|helper 5, no arguments/ }).getByRole("link", { name: "bpf-helpers(7)" }).waitFor();

  // `/` at the beginning of a line offers pieces of programs.
  await page.keyboard.type("/coun");
  await page.getByRole("option", { name: /\/count/ }).waitFor();
  await page.waitForTimeout(150);
  await page.keyboard.press("Enter");
  await page.keyboard.press("Enter");
  assert.match(await typed(text), /^lock \*\(u64 \*\)\(r0 \+0\) \+= r1$/m);
  // The verifier's reason stands at its line.
  await verdict(page, "✕ Rejected");
  await text.locator(".cm-lintRange-error").filter({ hasText: "lock" }).first().waitFor();
  await page.mouse.move(0, 0);
  await text.getByText("lock", { exact: true }).hover();
  await page.locator(".cm-diagnostic").first().waitFor();

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("undo, redo, and what a reload keeps", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "Add the check" }).click();
  await verdict(page, "✓ Accepted");
  await page.keyboard.press("Control+z");
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "Redo" }).click();
  await verdict(page, "✓ Accepted");
  await page.keyboard.press("Control+z");
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("Control+Shift+z");
  await verdict(page, "✓ Accepted");
  await page.reload();
  await verdict(page, "✓ Accepted");
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("commands by their names", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("/");
  const command = page.getByRole("combobox", { name: "Command" });
  await command.fill("budget per");
  await page.getByRole("listbox", { name: "Commands" }).getByRole("option", { name: /budget per block/, selected: true }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("grid", { name: "Blocks" }).getByRole("row").first().waitFor();
  await page.keyboard.press("Control+k");
  await command.fill("open port");
  await page.keyboard.press("Enter");
  await verdict(page, "✓ Accepted");
  await page.getByRole("banner").getByText("Port firewall", { exact: true }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("what if: both explorations' difference", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: "Add the check" }).click();
  await verdict(page, "✓ Accepted");
  await page.getByRole("tab", { name: "Why" }).click();
  const table = page.getByRole("table", { name: "Before and after the edit" });
  await table.getByRole("row", { name: /Verdict ✕ rejected ✓ accepted/ }).waitFor();
  await page.getByRole("list", { name: "Paths that vanished" }).getByText("rejected").waitFor();
  await page.getByRole("list", { name: "Paths that are new" }).getByText(/r0 == 0x0/).waitFor();
  await page.getByRole("button", { name: "Compare with this from now on" }).click();
  await table.getByRole("row", { name: /Verdict ✓ accepted ✓ accepted/ }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});
