// Puts the compilers, their hosts and the headers into a folder of the page.
//
//     node bundle.js FOLDER      prints the name that the folder's worker is found by: clang-HASH/compiler.js
//
// The compilers come from npm, pinned by the lock file and once more by `pins.json`. They lie in the page as gzip, so
// that what is fetched does not depend on the server.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = fileURLToPath(new URL(".", import.meta.url));
const packages = join(here, "../node_modules");
const cache = join(packages, ".cache/glasshive");
const SCRIPTS = ["compiler.js", "compile.js", "wasi.js", "fetch.js"];

/** @param {string | Uint8Array} bytes */
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/**
 * A package's file, whose content is the pinned one.
 * @param {{ from: string, sha256: string }} pin
 */
function pinned(pin) {
  const bytes = readFileSync(join(packages, pin.from));
  const found = sha256(bytes);
  if (found !== pin.sha256) throw new Error(`${pin.from} is ${found}, and ${pin.sha256} is pinned`);
  return bytes;
}

/**
 * The gzip form of a pinned file, made once.
 * @param {{ from: string, sha256: string }} pin
 */
function compressed(pin) {
  const at = join(cache, `${pin.sha256}.gz`);
  if (!existsSync(at)) {
    mkdirSync(cache, { recursive: true });
    writeFileSync(at, gzipSync(pinned(pin), { level: 9 }));
  }
  return readFileSync(at);
}

/** The headers by the names that a program includes them by. */
export function headers() {
  /** @type {Record<string, string>} */
  const found = {};
  // The examples include theirs as "include/…".
  for (const [folder, prefix] of [[join(here, "include"), ""], [join(here, "../examples/include"), "include/"]]) {
    for (const name of /** @type {string[]} */ (readdirSync(folder, { recursive: true })).sort()) {
      if (name.endsWith(".h")) found[prefix + name] = readFileSync(join(folder, name), "utf8");
    }
  }
  return found;
}

/** @param {string} page the page's folder */
function bundle(page) {
  const pins = JSON.parse(readFileSync(join(here, "pins.json"), "utf8"));
  const files = new Map(SCRIPTS.map((name) => [name, readFileSync(join(here, name))]));
  files.set("llc.js", pinned(pins.llcHost));
  files.set("headers.json", Buffer.from(JSON.stringify(headers())));
  /** @type {Record<string, { file: string, size: number, bytes: number, sha256: string, version: string }>} */
  const parts = {};
  for (const name of ["clang", "llc"]) {
    const bytes = compressed(pins[name]);
    const file = `${name}.gz`;
    files.set(file, bytes);
    const { sha256, version } = pins[name];
    parts[name] = { file, size: bytes.length, bytes: readFileSync(join(packages, pins[name].from)).length, sha256, version };
  }
  files.set("parts.json", Buffer.from(JSON.stringify(parts)));
  const all = createHash("sha256");
  for (const [name, bytes] of files) all.update(`${name} ${sha256(bytes)}\n`);
  const name = `clang-${all.digest("hex").slice(0, 16)}`;
  mkdirSync(join(page, name), { recursive: true });
  for (const [file, bytes] of files) writeFileSync(join(page, name, file), bytes);
  cpSync(join(here, "LICENSE.txt"), join(page, name, "LICENSE.txt"));
  return `${name}/compiler.js`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(bundle(process.argv[2]));
