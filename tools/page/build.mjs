// Builds the page into one file that needs nothing else: scripts, styles and WebAssembly modules are parts of it.
//
// The modules are cargo's; `cargo xtask demo` has them built first. With `--serve` the page is then served on localhost.

import { build, context } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

const here = import.meta.dirname;
const target = resolve(here, process.env.CARGO_TARGET_DIR ?? "../../target");
const out = join(target, "page");

/** Cargo's modules, and the guests with other features. */
const release = join(target, "wasm32-unknown-unknown/release");
const modules = {
  decoder: join(release, "page_decoder.wasm"),
  guests: join(release, "page_guests.wasm"),
  checked: join(target, "page-guests/checked.wasm"),
  dlmalloc: join(target, "page-guests/dlmalloc.wasm"),
  talc: join(target, "page-guests/talc.wasm"),
};

const shared = {
  bundle: true,
  minify: true,
  write: false,
  outdir: out,
  target: "es2022",
  legalComments: "none",
  absWorkingDir: here,
};

/** `module:NAME` is the module of that name, in bytes. */
const cargoModules = {
  name: "cargo-modules",
  setup(build) {
    build.onResolve({ filter: /^module:/ }, ({ path }) => ({ path: path.slice(7), namespace: "module" }));
    build.onLoad({ filter: /.*/, namespace: "module" }, async ({ path }) => ({
      contents: await readFile(modules[path]),
      loader: "binary",
    }));
  },
};

const worker = await build({ ...shared, entryPoints: ["src/worker.ts"], format: "iife", plugins: [cargoModules] });

/** `text:worker` is the workers' script, from which the page makes them. */
const workerText = {
  name: "worker-text",
  setup(build) {
    build.onResolve({ filter: /^text:worker$/ }, ({ path }) => ({ path, namespace: "worker" }));
    build.onLoad({ filter: /.*/, namespace: "worker" }, () => ({ contents: worker.outputFiles[0].text, loader: "text" }));
  },
};

const page = await build({
  ...shared,
  entryPoints: ["src/main.tsx"],
  format: "iife",
  jsx: "automatic",
  jsxImportSource: "preact",
  plugins: [workerText],
});
const text = (extension) => page.outputFiles.find((file) => file.path.endsWith(extension)).text;

const script = text(".js");
// Nothing else may run, and nothing may be fetched.
const policy = [
  "default-src 'none'",
  `script-src 'sha256-${createHash("sha256").update(script).digest("base64")}' 'wasm-unsafe-eval'`,
  "worker-src blob:",
  "style-src 'unsafe-inline'",
].join("; ");
const template = await readFile(join(here, "src/index.html"), "utf8");
const html = template
  .replace("%POLICY%", () => policy)
  .replace("%STYLE%", () => text(".css"))
  .replace("%SCRIPT%", () => script);
await mkdir(out, { recursive: true });
const file = join(out, "index.html");
await writeFile(file, html);
console.log(`${file}: ${Math.round(html.length / 1024)} KiB`);

if (process.argv.includes("--serve")) {
  const server = await (await context({})).serve({ servedir: out, host: "127.0.0.1" });
  console.log(`\nThe page is at http://127.0.0.1:${server.port}/ until you press Ctrl-C.`);
}
