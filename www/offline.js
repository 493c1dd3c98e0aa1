// The page without a network: everything it consists of is kept at its first visit. The build puts the list in.
//
// Files have their content's hash in their names, so what is kept never goes stale; the page itself is asked for
// first, and only where nobody answers comes from what is kept. The C compilers are kept by their own worker, once
// someone has asked for them.

const FILES = [];
const KEPT = "glasshive-VERSION";

addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(KEPT);
    await cache.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
    // One that waits would serve the old page for as long as a tab is open.
    await skipWaiting();
  };
  event.waitUntil(keep());
});

addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("glasshive-") && name !== KEPT && name !== "glasshive-compilers") await caches.delete(name);
    }
    await clients.claim();
  };
  event.waitUntil(forget());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  event.respondWith(request.mode === "navigate" ? page(request) : file(request));
});

/** @param {Request} request */
async function page(request) {
  try {
    return await fetch(request);
  } catch {
    const kept = await caches.match("./");
    return kept ?? Response.error();
  }
}

/** @param {Request} request */
async function file(request) {
  const cache = await caches.open(KEPT);
  return (await cache.match(request)) ?? fetch(request);
}
