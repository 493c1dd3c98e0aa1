// Runs where the tarball is installed: the package as its users have it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import init, { Kernel, assemble, disassemble, version } from "glasshive";

await Promise.all([init(), init()]);

const COUNTER = `
  .type socket_filter
  .license GPL
  .map counts array 4 8 256
  r6 = r1
  r0 = *(u8 *)skb[23]
  *(u32 *)(r10 -4) = r0
  r1 = map counts
  r2 = r10
  r2 += -4
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r1 = 1
  lock *(u64 *)(r0 +0) += r1
out:
  r0 = 0
  exit
`;

const u32 = (value) => new Uint8Array(new Uint32Array([value]).buffer);

test("a program is verified, run, and its map read", () => {
  const kernel = new Kernel();
  const { programs, maps } = kernel.loadAssembly(COUNTER);
  const [program] = programs;
  assert.equal(program.accepted, true, program.log);
  assert.match(program.log, /processed \d+ insns/);
  const packet = new Uint8Array(64);
  packet[12] = 8;
  packet[23] = 17;
  for (let i = 0; i < 3; i++) kernel.testRun(program.fd, { data: packet });
  const value = kernel.lookup(maps.counts, u32(17));
  assert.deepEqual([...value], [3, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(kernel.keys(maps.counts).length, 256);
  kernel.free();
});

test("a rejection is an answer that explains itself", () => {
  const kernel = new Kernel();
  const unchecked = COUNTER.replace("if r0 == 0 goto out", "");
  const [program] = kernel.loadAssembly(unchecked).programs;
  assert.equal(program.accepted, false);
  assert.equal(program.error, "EACCES");
  assert.equal(program.fd, undefined);
  assert.match(program.log, /R0 invalid mem access 'map_value_or_null'/);
  assert.ok(program.diagnostic.reason.length > 0);
});

test("maps answer as bpf(2)'s", () => {
  const kernel = new Kernel();
  const fd = kernel.createMap({ type: "hash", keySize: 4, valueSize: 4, maxEntries: 2, name: "small" });
  assert.ok(fd > 0);
  assert.equal(kernel.lookup(fd, u32(1)), undefined);
  kernel.update(fd, u32(1), u32(10));
  kernel.update(fd, u32(2), u32(20), 1);
  assert.throws(() => kernel.update(fd, u32(2), u32(21), 1), { name: "BpfError", code: "EEXIST", errno: 17 });
  assert.throws(() => kernel.update(fd, u32(3), u32(30)), { code: "E2BIG" });
  assert.deepEqual(kernel.lookup(fd, u32(2)), u32(20));
  assert.equal(kernel.delete(fd, u32(2)), true);
  assert.equal(kernel.delete(fd, u32(2)), false);
  assert.deepEqual(kernel.keys(fd), [u32(1)]);
  assert.throws(() => kernel.update(fd, new Uint8Array(3), u32(30)), { name: "RangeError" });
  assert.throws(() => kernel.createMap({ type: "hash", keySize: 0, valueSize: 4, maxEntries: 2 }), { code: "EINVAL" });
  assert.throws(() => kernel.createMap({ type: "no_such", keySize: 4, valueSize: 4, maxEntries: 2 }), TypeError);
  kernel.close(fd);
  assert.throws(() => kernel.lookup(fd, u32(1)), { code: "EBADF" });
});

test("text and bytes go both ways, and errors have a place", () => {
  const bytes = assemble("r0 = 7\nexit\n");
  assert.equal(bytes.length, 16);
  assert.deepEqual(disassemble(bytes), ["r0 = 7", "exit"]);
  assert.throws(() => assemble("r0 = 7\nr0 =\n"), (error) => {
    assert.equal(error.name, "SyntaxError");
    assert.equal(error.line, 2);
    return true;
  });
});

test("the version is the package's", async () => {
  const own = JSON.parse(await readFile(new URL(import.meta.resolve("glasshive/package.json")), "utf8"));
  assert.equal(version(), own.version);
});
