// The package's door: loads the engine once, in a browser, a bundler or Node, and hands out its classes.

import load, { initSync as loadSync } from "./engine.js";
export { Kernel, assemble, disassemble, version } from "./engine.js";

/** @type {Promise<void> | undefined} */
let loading;

/**
 * Loads the engine. A second call waits for the first and loads nothing.
 * Without an argument the engine is fetched, or read in Node, from beside this file.
 */
export default function init(source) {
  loading ??= start(source).catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

/** Loads the engine from bytes or a module, at once. */
export function initSync(source) {
  loadSync({ module: source });
  loading = Promise.resolve();
}

async function start(source) {
  source ??= new URL("./engine_bg.wasm", import.meta.url);
  if (String(source).startsWith("file:")) {
    // Node can't fetch a file; no bundler should follow this import.
    const fs = await import(/* webpackIgnore: true */ /* @vite-ignore */ ["node", "fs/promises"].join(":"));
    source = await fs.readFile(new URL(source));
  }
  if (typeof source === "string" || source instanceof URL || source instanceof Request) {
    source = await fetch(source);
  }
  if (typeof Response === "function" && source instanceof Response) {
    if (!source.ok) throw new Error(`glasshive: ${source.url} answered ${source.status}`);
    // A server that sends another type than application/wasm is no reason to fail.
    if (!source.headers.get("Content-Type")?.startsWith("application/wasm")) source = await source.arrayBuffer();
  }
  await load({ module_or_path: source });
}
