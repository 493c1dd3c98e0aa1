// Assembly typed, its errors by line and column, packets from a capture, the gallery, and a long
// verification that is stopped.

import assert from "node:assert/strict";
import { test } from "node:test";
import { open, typed, verdict, write } from "./page.js";

test("assembly is typed", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: /Protocol counter, unchecked/ }).click();
  await page.getByRole("button", { name: "Type assembly" }).click();
  await verdict(page, "✓ Accepted");
  const text = page.getByRole("textbox", { name: "Assembly" });
  await write(page, text, ".type xdp\n.license GPL\n\nr0 = 2\nr0 = * 3\nexit\n");
  await page.getByRole("list", { name: "Problems" }).getByText(/^5:\d+/).waitFor();
  await verdict(page, "✕ Not readable");

  // What is typed stays through a reload, errors included.
  await page.reload();
  assert.match(await typed(text), /r0 = \* 3/);
  await write(page, text, ".type xdp\n.license GPL\n\nr0 = *(u32 *)(r1 +0)\nr2 = *(u32 *)(r1 +4)\nr0 = *(u8 *)(r0 +0)\nexit\n");
  await verdict(page, "✕ Rejected");
  await page.getByRole("tabpanel").getByText(/outside of the packet/).first().waitFor();

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a packet comes from a capture", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.getByRole("button", { name: /Protocol counter, unchecked/ }).click();
  await page.getByRole("button", { name: /Protocol counter The classic/ }).click();
  await verdict(page, "✓ Accepted");
  await page.getByRole("tab", { name: "Run" }).click();
  await page.getByLabel("Open capture").setInputFiles({
    name: "two.pcap",
    mimeType: "application/vnd.tcpdump.pcap",
    buffer: capture([Buffer.alloc(60, 0xaa), udp()]),
  });
  await page.getByText("60 bytes", { exact: true }).waitFor();
  await page.getByRole("combobox", { name: "Packet of the capture" }).selectOption({ index: 1 });
  await page.getByText("42 bytes", { exact: true }).waitFor();
  await page.getByRole("button", { name: "Run on this packet" }).click();
  const row = page.getByRole("grid", { name: "Map counts" }).getByRole("row").filter({ hasText: "0 →" });
  await row.getByRole("rowheader", { name: /^17\b/ }).waitFor();

  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("every program of the gallery says what its row says", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  const gallery = page.getByRole("dialog", { name: "Gallery" });
  await page.keyboard.press("g");
  const names = await gallery.getByRole("listitem").getByRole("button").allInnerTexts();
  assert.ok(names.length >= 6);
  for (const name of names) {
    const [mark, title] = name.split("\n");
    if (!(await gallery.isVisible())) await page.keyboard.press("g");
    await gallery.getByText(title, { exact: true }).click();
    await gallery.waitFor({ state: "detached" });
    await page.getByRole("banner").getByText(title, { exact: true }).waitFor();
    await verdict(page, mark === "✓" ? "✓ Accepted" : "✕ Rejected");
  }
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a rejected program stands beside the program as it should be", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("g");
  const list = page.getByRole("dialog", { name: "Gallery" }).getByRole("list", { name: "Why was it rejected?" });
  await list.getByRole("button", { name: /Record never given back/ }).click();
  await verdict(page, "✕ Rejected");
  const sides = page.getByRole("table", { name: "Rejected and fixed, line by line" });
  const added = sides.getByRole("row").filter({ hasText: "bpf_ringbuf_discard(record, 0);" }).getByRole("cell");
  assert.match(await added.last().innerText(), /discard/);
  assert.doesNotMatch(await added.first().innerText(), /discard/);
  await page.getByRole("button", { name: "Open the fixed program" }).click();
  await page.getByRole("banner").getByText("Record never given back, fixed").waitFor();
  await verdict(page, "✓ Accepted");
  assert.deepEqual(page.complaints, []);
  await page.close();
});

test("a long verification shows progress and can be stopped", async () => {
  const page = await open();
  await verdict(page, "✕ Rejected");
  await page.keyboard.press("g");
  await page.getByRole("button", { name: "Type assembly" }).click();
  await verdict(page, "✓ Accepted");
  // The verifier walks every round, and gives up after a million instructions.
  const text = ".type xdp\n.license GPL\n\nr0 = 0\nround:\nr0 += 1\nif r0 < 10000000 goto round\nexit\n";
  await write(page, page.getByRole("textbox", { name: "Assembly" }), text);
  await verdict(page, /Verifying … [\d,]+ instructions walked/);
  await page.getByRole("button", { name: "Stop" }).click();
  await verdict(page, "Stopped");
  await page.getByRole("tree", { name: "Exploration" }).getByRole("treeitem").first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.close();
});

/** A classic pcap file, little-endian, microseconds, Ethernet. */
function capture(packets) {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(65535, 16);
  header.writeUInt32LE(1, 20);
  const records = packets.map((packet, at) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(at, 0);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([header, ...records]);
}

/** An Ethernet frame with an IPv4 header that says UDP. */
function udp() {
  const frame = Buffer.alloc(42);
  frame.writeUInt16BE(0x0800, 12);
  frame[14] = 0x45;
  frame[23] = 17;
  return frame;
}
