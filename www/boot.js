// Starts the page's module. A file of its own: the content-security policy forbids inline scripts.

// The editor is fetched once it is asked for.
globalThis.loadEditor = () =>
  import(new URL(document.querySelector("meta[name=editor]").content, document.baseURI).href);

const { module, wasm } = document.querySelector("script[data-module]").dataset;

try {
  const { default: start } = await import(new URL(module, document.baseURI).href);
  await start({ module_or_path: new URL(wasm, document.baseURI) });
  document.getElementById("boot")?.remove();
} catch (error) {
  document.getElementById("boot").textContent =
    `The page could not be started (${error}). It needs a browser with WebAssembly: Chromium 123, Firefox 120, Safari 17.5, or newer.`;
}

// Kept for a visit without a network, once the page has all that it needs itself.
const keep = () => navigator.serviceWorker?.register("./offline.js").catch(() => {});
if (globalThis.requestIdleCallback) requestIdleCallback(keep, { timeout: 4000 });
else setTimeout(keep, 2000);
