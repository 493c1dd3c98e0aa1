// From C to an eBPF object: clang makes LLVM bitcode, llc makes the object.

import { Files, run } from "./wasi.js";

/** @typedef {{ file: string, line: number, column: number, severity: "error" | "warning" | "note", message: string }} Diagnostic */
/** @typedef {{ object: Uint8Array | null, diagnostics: Diagnostic[], text: string }} Outcome */
/** @typedef {(options: object) => Promise<any>} StartLlc emscripten's module function */

/** Where the program and the headers lie for the compilers. */
const SOURCE = "/program.c";
const INCLUDE = "/include";

const CLANG = [
  ["clang", "-cc1", "-triple", "bpf", "-emit-llvm-bc", "-O2", "-std=gnu11", "-disable-free"],
  ["-debug-info-kind=limited", "-dwarf-version=4", "-fdebug-compilation-dir", "/", "-main-file-name", "program.c"],
  ["-fno-builtin", "-fno-common", "-Wall", "-Wno-unused-const-variable", "-Wno-unused-function"],
  ["-Wno-unknown-attributes", "-ferror-limit", "19", "-D__TARGET_ARCH_x86", "-isystem", INCLUDE],
  ["-o", "/program.bc", "-x", "c", SOURCE],
].flat();

const LLC = ["-march=bpf", "-mcpu=v3", "-filetype=obj", "-O2", "/program.bc", "-o", "/program.o"];

/**
 * Compiles one C file.
 * @param {{ clang: WebAssembly.Module, llc: WebAssembly.Module, startLlc: StartLlc }} compilers
 * @param {string} source the program
 * @param {Record<string, string>} headers by their name as `#include <…>` says it
 * @returns {Promise<Outcome>} the object, or none where there are errors; clang's diagnostics in any case
 */
export async function compile(compilers, source, headers) {
  const files = new Files();
  files.put(SOURCE, source);
  for (const [name, text] of Object.entries(headers)) files.put(`${INCLUDE}/${name}`, text);
  const clang = await run(compilers.clang, CLANG, files);
  const diagnostics = parseDiagnostics(clang.errors);
  const bitcode = clang.status === 0 ? files.get("/program.bc") : undefined;
  if (!bitcode) return { object: null, diagnostics, text: clang.errors };
  const llc = await runLlc(compilers, source, headers, bitcode);
  return { object: llc.object, diagnostics, text: clang.errors + llc.errors };
}

/**
 * llc reads the sources too: their lines go into the object's BTF.
 * @param {{ llc: WebAssembly.Module, startLlc: StartLlc }} compilers
 * @param {string} source
 * @param {Record<string, string>} headers
 * @param {Uint8Array} bitcode
 */
async function runLlc({ llc, startLlc }, source, headers, bitcode) {
  /** @type {string[]} */
  const errors = [];
  const module = await startLlc({
    noInitialRun: true,
    print: () => {},
    printErr: (/** @type {string} */ line) => errors.push(`${line}\n`),
    quit: (/** @type {number} */ _status, /** @type {unknown} */ end) => {
      throw end;
    },
    instantiateWasm: (
      /** @type {WebAssembly.Imports} */ imports,
      /** @type {(instance: WebAssembly.Instance, module: WebAssembly.Module) => void} */ done,
    ) => {
      WebAssembly.instantiate(llc, imports).then((instance) => done(instance, llc));
      return {};
    },
  });
  module.FS.writeFile("/program.bc", bitcode);
  module.FS.writeFile(SOURCE, source);
  for (const [name, text] of Object.entries(headers)) {
    const path = `${INCLUDE}/${name}`;
    module.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
    module.FS.writeFile(path, text);
  }
  module.callMain(LLC);
  const made = module.FS.analyzePath("/program.o").exists;
  return { object: made ? module.FS.readFile("/program.o") : null, errors: errors.join("") };
}

/**
 * clang's messages: `FILE:LINE:COLUMN: SEVERITY: MESSAGE`, the lines between them show the place.
 * @param {string} text
 * @returns {Diagnostic[]}
 */
export function parseDiagnostics(text) {
  /** @type {Diagnostic[]} */
  const found = [];
  for (const [, path, line, column, severity, message] of text.matchAll(
    /^(\/[^:\n]*):(\d+):(\d+): (?:fatal )?(error|warning|note): (.*)$/gm,
  )) {
    const file = path === SOURCE ? "" : path.replace(`${INCLUDE}/`, "");
    found.push({ file, line: Number(line), column: Number(column), severity: /** @type {any} */ (severity), message });
  }
  return found;
}
