// What the tests share: the built page, served with its headers, and a browser to drive it with.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("node:child_process").ChildProcess} */
let server;
let address = "";

before(async () => {
  // The command that people serve the page with, so that its headers are tested too.
  server = spawn("cargo", ["xtask", "serve", "--port", "0"], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  address = await new Promise((resolve, reject) => {
    let said = "";
    server.stdout.on("data", (bytes) => {
      said += bytes;
      const found = said.match(/http:\/\/[0-9.]+:\d+\//);
      if (found) resolve(found[0]);
    });
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

after(async () => {
  await browser?.close();
  server?.kill();
});

/**
 * Opens the page in a profile of its own. `page.complaints` collects what must not happen: errors, failed
 * loads, requests to another host, breaches of the content-security policy.
 *
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
export async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("requestfailed", (request) => complaints.push(`failed: ${request.url()}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(blob|data):/.test(url)) complaints.push(`another host: ${url}`);
  });
  await page.goto(address);
  return Object.assign(page, { complaints, close: () => context.close() });
}

/** Waits until the verdict says what is expected. */
export async function verdict(page, text) {
  const status = page.getByRole("status", { name: "Verdict" });
  try {
    await status.filter({ hasText: text }).waitFor();
  } catch {
    const said = (await status.allInnerTexts()).join("; ");
    throw new Error(`the verdict is "${said}", not "${text}"; complaints: ${page.complaints.join("; ")}`);
  }
}

/** Drops a file on the page, as a hand does. */
export async function drop(page, path) {
  const url = new URL(path, import.meta.url);
  const bytes = [...(await readFile(url))];
  const name = url.pathname.split("/").at(-1);
  const transfer = await page.evaluateHandle(
    ({ bytes, name }) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([new Uint8Array(bytes)], name));
      return transfer;
    },
    { bytes, name },
  );
  await page.getByRole("main").dispatchEvent("drop", { dataTransfer: transfer });
}

/** The text of a cell of a map's table: the row whose key is that number. */
export function cell(page, map, key) {
  return page
    .getByRole("grid", { name: `Map ${map}` })
    .getByRole("row")
    .filter({ has: page.getByRole("rowheader", { name: new RegExp(`^${key}\\b`) }) });
}

/** Opens a program of the gallery by its title. */
export async function example(page, title) {
  await page.keyboard.press("g");
  const gallery = page.getByRole("dialog", { name: "Gallery" });
  await gallery.getByText(title, { exact: true }).click();
  await gallery.waitFor({ state: "detached" });
  await page.getByRole("banner").getByText(title, { exact: true }).waitFor();
}

/** The text of the editor, whether CodeMirror is there yet or not. */
export function typed(editor) {
  return editor.evaluate((field) =>
    field.value ?? [...field.querySelectorAll(".cm-line")].map((line) => line.textContent).join("\n"),
  );
}

/** Puts a text into the editor in place of what is there, as a hand that pastes does. */
export async function write(page, editor, text) {
  await page.locator("[data-editor]").waitFor();
  await editor.focus();
  await page.keyboard.press("Control+a");
  await editor.evaluate((field, text) => {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
  }, text);
}
