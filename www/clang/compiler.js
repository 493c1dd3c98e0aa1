// The compilers' own worker: it fetches them at the first program, and compiles one program at a time.
//
// In: `{ id, source }`. Out: `{ kind: "progress", done, total }` while the compilers come, then
// `{ kind: "compiled", id, object, diagnostics, text }` for the newest program asked for, or `{ kind: "failed", id, message }`.

import { compile } from "./compile.js";
import { fetchModule } from "./fetch.js";

/** @typedef {{ id: number, source: string }} Request */
/** @typedef {Awaited<ReturnType<typeof start>>} Compilers */

/** @type {Promise<Compilers> | undefined} */
let compilers;
/** @type {Request | undefined} */
let next;
let busy = false;

/** @param {string} name */
const json = async (name) => (await fetch(new URL(name, import.meta.url))).json();

async function start() {
  const [parts, headers] = await Promise.all([json("parts.json"), json("headers.json")]);
  const names = /** @type {const} */ (["clang", "llc"]);
  const total = names.reduce((sum, name) => sum + parts[name].size, 0);
  /** @type {Record<string, number>} */
  const done = {};
  const modules = await Promise.all(
    names.map((name) =>
      fetchModule(parts[name], (bytes) => {
        done[name] = bytes;
        postMessage({ kind: "progress", done: names.reduce((sum, name) => sum + (done[name] ?? 0), 0), total });
      }),
    ),
  );
  // @ts-expect-error: a script of the bundle, which is not beside this file in the repository.
  const { default: startLlc } = await import("./llc.js");
  return { clang: modules[0], llc: modules[1], startLlc, headers };
}

async function work() {
  if (busy) return;
  busy = true;
  while (next) {
    const { id, source } = next;
    next = undefined;
    try {
      const ready = await (compilers ??= start());
      const { object, diagnostics, text } = await compile(ready, source, ready.headers);
      postMessage({ kind: "compiled", id, object, diagnostics, text });
    } catch (error) {
      // What could not be fetched is tried again with the next program.
      compilers = undefined;
      postMessage({ kind: "failed", id, message: error instanceof Error ? error.message : String(error) });
    }
  }
  busy = false;
}

addEventListener("message", ({ data }) => {
  next = data;
  work();
});
