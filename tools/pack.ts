/**
 * Makes the npm package, `ckpt-<version>.tgz`: the program in JavaScript with everything that it imports, and the npm
 * package `deno` to run it. Once it is installed nothing is downloaded.
 *
 * ```sh
 * deno task pack [DIRECTORY]
 * ```
 *
 * Deno refuses TypeScript in `node_modules`, so what runs is bundled; the types of the library are those of its
 * source, which is in the package, too.
 *
 * @module
 */

import { join, resolve } from "../lib/deps.ts";
import { run } from "./_run.ts";
import { thirdPartyLicences } from "./_licences.ts";

const ROOT = join(import.meta.dirname!, "..");

/** The version of Deno that runs the package. */
const DENO = "2.9.6";

/** What is in the package beside what is bundled. */
const FILES = ["lib", "mod.ts", "README.md", "CHANGELOG.md", "LICENSE"];

/** What the package needs of deno.json. */
interface Config {
  readonly version: string;
  readonly license: string;
  readonly exports: string | Record<string, string>;
}

/**
 * Makes the package.
 *
 * @param directory Where to put it.
 * @returns Its path.
 */
export async function pack(directory: string): Promise<string> {
  const config: Config = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  const modules = typeof config.exports === "string" ? { ".": config.exports } : config.exports;
  const built = Deno.makeTempDirSync({ prefix: "ckpt_pack_" });
  try {
    await bundle(["cli.ts", ...Object.values(modules)], join(built, "dist"));
    for (const name of FILES) copy(join(ROOT, name), join(built, name));
    Deno.writeTextFileSync(join(built, "THIRD_PARTY_LICENSES"), await thirdPartyLicences());
    copy(join(ROOT, "tools", "ckpt.sh"), join(built, "ckpt"));
    Deno.chmodSync(join(built, "ckpt"), 0o755);
    Deno.writeTextFileSync(
      join(built, "package.json"),
      JSON.stringify(manifest(config, modules), null, 2) + "\n",
    );
    const listed = await run(["npm", "pack", "--json", "--pack-destination", resolve(directory)], built);
    return join(directory, JSON.parse(listed)[0].filename);
  } finally {
    Deno.removeSync(built, { recursive: true });
  }
}

/** package.json. */
function manifest({ version, license }: Config, modules: Record<string, string>): unknown {
  return {
    name: "ckpt",
    version,
    description:
      "Converts and inspects checkpoints of language models: fairseq2, Hugging Face, reference layouts, GGUF",
    license,
    type: "module",
    bin: { ckpt: "ckpt" },
    exports: Object.fromEntries(
      Object.entries(modules).map(([name, path]) => [name, { types: path, default: bundled(path) }]),
    ),
    dependencies: { deno: DENO },
  };
}

/** Where a module is once it is bundled. */
function bundled(path: string): string {
  return path.replace(/^\.\//, "./dist/").replace(/\.ts$/, ".js");
}

/** Bundles modules. What they load when they need it stays apart, so that the program starts as fast as from source. */
async function bundle(modules: readonly string[], into: string): Promise<void> {
  await run([Deno.execPath(), "bundle", "--quiet", "--code-splitting", "--outdir", into, ...modules], ROOT);
  for (const { name } of walk(into)) {
    // Comments that say where a module was name this machine's cache.
    Deno.writeTextFileSync(name, Deno.readTextFileSync(name).replace(/^\/\/ (?:\.\.\/)+.*\n/gm, ""));
  }
}

/** The files below a directory. */
function* walk(directory: string): Generator<{ name: string }> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    if (isDirectory) yield* walk(join(directory, name));
    else yield { name: join(directory, name) };
  }
}

function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to);
  for (const { name } of Deno.readDirSync(from)) copy(join(from, name), join(to, name));
}

if (import.meta.main) console.log(await pack(Deno.args[0] ?? "."));
