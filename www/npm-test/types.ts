// Compiles under --strict against the package's declarations; it is never run.

import init, { Kernel, assemble, type BpfError, type Diagnostic, type Loaded } from "glasshive";

await init(new URL("https://example.invalid/engine.wasm"));
const kernel = new Kernel({ cpus: 2 });
const loaded: Loaded = kernel.loadObject(assemble("exit"), { logLevel: 2 });
const why: Diagnostic | undefined = loaded.programs[0]?.diagnostic;
const line: string = why?.suggestion?.text ?? "accepted";
const fd: number | undefined = loaded.maps["counts"];
try {
  if (fd !== undefined) kernel.update(fd, new Uint8Array(4), new Uint8Array(8));
} catch (error) {
  const code: string = (error as BpfError).code;
  throw new Error(`${line}: ${code}`);
} finally {
  kernel[Symbol.dispose]();
}
