// The ways to load the engine, each in a process of its own: a process loads it once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const folder = fileURLToPath(new URL(".", import.meta.url));
const engine = await readFile(new URL(import.meta.resolve("glasshive/engine.wasm")));

/** Runs a module's text where the package is installed; what it printed. */
async function run(text, ...given) {
  const call = promisify(execFile)(process.execPath, ["--input-type=module", "--eval", text, ...given], { cwd: folder });
  return (await call).stdout.trim();
}

const USE = `
  const kernel = new Kernel({ memory: 1 << 20 });
  const { programs } = kernel.loadAssembly(".type xdp\\n r0 = 2\\n exit\\n");
  console.log(kernel.testRun(programs[0].fd, { data: new Uint8Array(64) }).returnValue);
`;

/** Serves the engine's bytes under a type and a status; gives back what \`use\` makes of the address. */
async function serve(type, status, use) {
  const server = createServer((_, response) => response.writeHead(status, { "Content-Type": type }).end(engine));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}/engine.wasm`);
  } finally {
    server.close();
  }
}

test("from beside the package, as often as one likes", async () => {
  const text = `import init, { Kernel } from "glasshive"; await init(); await init("http://127.0.0.1:1/none"); ${USE}`;
  assert.equal(await run(text), "2");
});

test("from bytes, from a module, at once", async () => {
  const read = `
    import { readFile } from "node:fs/promises";
    const bytes = await readFile(new URL(import.meta.resolve("glasshive/engine.wasm")));
    import init, { initSync, Kernel } from "glasshive";`;
  for (const how of [
    "await init(bytes);",
    "await init(new WebAssembly.Module(bytes));",
    "await init(await WebAssembly.compile(bytes));",
    "initSync(bytes); initSync(bytes); await init();",
    "initSync(new WebAssembly.Module(bytes));",
    'await init(new Response(bytes, { headers: { "Content-Type": "application/wasm" } }));',
    'await init(import.meta.resolve("glasshive/engine.wasm"));',
  ]) {
    assert.equal(await run(`${read} ${how} ${USE}`), "2", how);
  }
});

test("from a server, whatever type it sends", async () => {
  const text = `import init, { Kernel } from "glasshive"; await init(new URL(process.argv[1])); ${USE}`;
  for (const type of ["application/wasm", "application/octet-stream", "text/plain; charset=utf-8"]) {
    assert.equal(await serve(type, 200, (url) => run(text, url)), "2", type);
  }
});

test("a failure says why, and can be made good", async () => {
  const text = `
    import init, { Kernel } from "glasshive";
    const error = await init(process.argv[1]).then(() => "none", (error) => error.message);
    await init();
    console.log(error);
    ${USE}`;
  const [why, value] = (await serve("text/html", 404, (url) => run(text, url))).split("\n");
  assert.match(why, /^glasshive: http:.*engine\.wasm answered 404$/);
  assert.equal(value, "2");
});

test("nothing is imported that only Node has", async () => {
  for (const name of ["index.js", "engine.js"]) {
    const text = await readFile(new URL(name, import.meta.resolve("glasshive")), "utf8");
    assert.doesNotMatch(text, /(from|import|require)\s*\(?\s*["'](node:|fs|path|url|util)/, name);
  }
});

test("the size is what the README says, and no more than 1.3 megabytes", async () => {
  const readme = await readFile(new URL("README.md", import.meta.resolve("glasshive")), "utf8");
  const [, raw, zipped] = readme.match(/at most (\d+) KB, (\d+) KB gzipped/);
  const measured = [engine.length / 1000, gzipSync(engine, { level: 9 }).length / 1000];
  console.log(`engine_bg.wasm: ${engine.length} bytes, ${Math.round(measured[1])} KB gzipped`);
  assert.ok(Number(raw) <= 1300);
  assert.ok(measured[0] <= Number(raw) && measured[1] <= Number(zipped), `${measured} KB, and the README says less`);
  assert.ok(measured[0] > Number(raw) * 0.7, `${measured} KB: the README says much more`);
});
