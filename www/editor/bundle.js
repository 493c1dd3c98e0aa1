// Bundles the editor into a folder of the page.
//
//     node bundle.js FOLDER      prints the bundle's name: editor-HASH.js

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const entry = fileURLToPath(new URL("editor.js", import.meta.url));
const { outputFiles } = await build({
  entryPoints: [entry],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "eof",
  write: false,
});
const bytes = outputFiles[0].contents;
const name = `editor-${createHash("sha256").update(bytes).digest("hex").slice(0, 16)}.js`;
writeFileSync(join(process.argv[2], name), bytes);
console.log(name);
