// Fetching a compiler: with progress, checked against its pinned hash, and kept for the next time.

/** @typedef {{ file: string, size: number, bytes: number, sha256: string, version: string }} Part */

/** What the browser keeps the compilers under; the hash in their folder's name tells versions apart. */
const KEPT = "glasshive-compilers";

/**
 * A part's module.
 * @param {Part} part
 * @param {(done: number) => void} progress told how many of `part.size` bytes are there
 */
export async function fetchModule(part, progress) {
  const url = new URL(part.file, import.meta.url).href;
  const kept = await keptResponses();
  const found = await kept?.match(url);
  const packed = found ? new Uint8Array(await found.arrayBuffer()) : await download(url, progress);
  progress(part.size);
  const bytes = await unpack(packed);
  await check(part, bytes);
  if (kept && !found) await keep(kept, url, packed);
  return WebAssembly.compile(bytes);
}

/** The browser's store, or none where it has none or forbids it. */
async function keptResponses() {
  try {
    return await caches.open(KEPT);
  } catch {
    return undefined;
  }
}

/**
 * Keeps what was fetched, and drops what other versions left.
 * @param {Cache} kept
 * @param {string} url
 * @param {Uint8Array<ArrayBuffer>} packed
 */
async function keep(kept, url, packed) {
  try {
    const folder = url.slice(0, url.lastIndexOf("/") + 1);
    for (const request of await kept.keys()) if (!request.url.startsWith(folder)) await kept.delete(request);
    await kept.put(url, new Response(packed));
  } catch {
    // Full, or forbidden: it is fetched again next time.
  }
}

/**
 * @param {string} url
 * @param {(done: number) => void} progress
 */
async function download(url, progress) {
  const response = await fetch(url);
  if (!response.ok || !response.body) throw new Error(`${url} can't be fetched: ${response.status} ${response.statusText}`);
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let done = 0;
  const reader = response.body.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    parts.push(next.value);
    done += next.value.length;
    progress(done);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/**
 * The bytes behind gzip; as they are, where a server has undone it on the way.
 * @param {Uint8Array<ArrayBuffer>} packed
 */
async function unpack(packed) {
  if (packed[0] !== 0x1f || packed[1] !== 0x8b) return packed;
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * @param {Part} part
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function check(part, bytes) {
  if (!crypto.subtle) throw new Error("a compiler's hash can only be checked on a page served by https, or by this machine");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== part.sha256) throw new Error(`${part.version} is not the one expected: its hash is ${found}, not ${part.sha256}`);
}
