// The page without a network, after one visit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, verdict } from "./page.js";

test("the page works offline once it was loaded", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  // Ready once it has everything.
  await page.evaluate(async () => {
    const state = async () => (await navigator.serviceWorker.getRegistration())?.active?.state;
    for (let tries = 0; tries < 300 && (await state()) !== "activated"; tries++) {
      await new Promise((done) => setTimeout(done, 100));
    }
  });
  await page.context().setOffline(true);
  await page.reload();
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("g");
  await page.getByRole("button", { name: /Rate limiter/ }).click();
  await verdict(page, "✓ Accepted");
  await page.getByRole("button", { name: "Run on packet" }).click();
  await page.getByRole("status", { name: "Result" }).filter({ hasText: "XDP_PASS" }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});
