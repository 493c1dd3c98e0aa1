// Runs where the tarball is installed: the package as its users have it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import init, { Kernel, assemble, disassemble, version } from "glasshive";

await Promise.all([init(), init()]);

const COUNTER = `
  .type sched_cls
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
  assert.throws(() => kernel.update(fd, u32(3), new Uint8Array(5)), { name: "RangeError" });
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

test("a clang-built object is loaded, with what it prints and counts", async () => {
  const kernel = new Kernel();
  const object = await readFile(new URL("protocols.o", import.meta.url));
  const { programs, maps } = kernel.loadObject(object, { logLevel: 2 });
  assert.deepEqual(programs.map((p) => [p.name, p.section, p.accepted]), [["count_protocols", "socket", true]]);
  assert.match(programs[0].log, /; u8 protocol = 0; @ protocols\.c:\d+/);
  const packet = new Uint8Array(64);
  packet[12] = 8;
  packet[14 + 9] = 6;
  const { returnValue, data } = kernel.testRun(programs[0].fd, { data: packet, repeat: 5 });
  assert.equal(returnValue, 0);
  assert.equal(data.length, 64);
  assert.equal(kernel.lookup(maps.counts, u32(6))[0], 5);
  assert.throws(() => kernel.loadObject(new Uint8Array([1, 2, 3])), { name: "SyntaxError" });
});

test("what can not be loaded says why, and keeps the rest", () => {
  const kernel = new Kernel();
  const [program] = kernel.loadAssembly("r0 = 0\nexit\n").programs;
  assert.equal(program.accepted, false);
  assert.match(program.problem, /no program type/);
  assert.equal(program.diagnostic, undefined);
});

test("a program is loaded from its instructions", () => {
  const kernel = new Kernel({ seed: 7 });
  const instructions = assemble("call bpf_get_prandom_u32\nexit\n");
  const load = (k) => k.load({ type: "xdp", instructions }, { logLevel: 0 });
  const { fd, log, stats } = load(kernel);
  assert.equal(log, "");
  assert.equal(stats.processed, 2);
  const data = new Uint8Array(64);
  const first = kernel.testRun(fd, { data }).returnValue;
  const again = new Kernel({ seed: 7 });
  assert.equal(again.testRun(load(again).fd, { data }).returnValue, first, "the same seed, the same run");
  assert.throws(() => kernel.load({ type: "none", instructions }), TypeError);
  assert.throws(() => kernel.load({ type: "xdp" }), TypeError);
  assert.throws(() => kernel.load({ type: "xdp", instructions: new Uint8Array(7) }), RangeError);
  assert.throws(() => kernel.load({ type: "xdp", instructions }, { logLevel: 99 }), RangeError);
  assert.throws(() => kernel.testRun(fd, { data: "text" }), TypeError);
  assert.throws(() => kernel.testRun(fd, { data: new Uint8Array(3) }), { code: "EINVAL" });
});

test("a system is given back", () => {
  const kernel = new Kernel({ memory: 1 << 20 });
  kernel[Symbol.dispose]();
  assert.throws(() => kernel.keys(3));
  assert.throws(() => new Kernel({ memory: 1 }), RangeError);
  assert.throws(() => new Kernel({ cpus: 0 }), RangeError);
  assert.throws(() => new Kernel({ cpus: "two" }), TypeError);
});

test("the version is the package's", async () => {
  const own = JSON.parse(await readFile(new URL(import.meta.resolve("glasshive/package.json")), "utf8"));
  assert.equal(version(), own.version);
});

test("a program that runs for long is compiled, and answers the same", () => {
  const kernel = new Kernel();
  const text = `
    .type xdp
    r2 = *(u32 *)(r1 +0)
    r3 = *(u32 *)(r1 +4)
    r4 = r2
    r4 += 14
    r0 = 0
    if r4 > r3 goto out
    r5 = 0
    again: r6 = *(u8 *)(r2 +3)
    r0 += r6
    r5 += 1
    if r5 != 500 goto again
    out: exit`;
  const { fd } = kernel.loadAssembly(text).programs[0];
  const data = new Uint8Array(64).fill(7);
  const short = kernel.testRun(fd, { data });
  const long = kernel.testRun(fd, { data, repeat: 1000 });
  assert.deepEqual([short.engine, short.returnValue], ["interpreter", 3500]);
  assert.deepEqual([long.engine, long.returnValue], ["WebAssembly", 3500]);
});
