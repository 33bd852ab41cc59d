/**
 * What ckpt loads from others is pinned, and its checksums with it.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "../../lib/deps.ts";

const ROOT = join(import.meta.dirname!, "..", "..");

interface Lock {
  readonly version: string;
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
}

/** The packages that some of a lock file need, and these themselves: `name@version`, and what they were resolved with. */
function reachable({ npm }: Lock, from: Iterable<string>): Set<string> {
  // Where there is one version of a package, others name it without the version.
  const full = (name: string) =>
    npm[name] === undefined ? Object.keys(npm).find((each) => each.startsWith(`${name}@`)) : name;
  const found = new Set<string>();
  const queue = [...from];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const key = full(name);
    if (key === undefined) throw new Error(`deno.lock lacks ${name}`);
    if (found.has(key)) continue;
    found.add(key);
    queue.push(...npm[key]!.dependencies ?? []);
  }
  return found;
}

function* modules(directory: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(directory)) {
    const path = join(directory, name);
    if (isDirectory) yield* modules(path);
    else if (name.endsWith(".ts")) yield path;
  }
}

Deno.test("lib/deps.ts and tests alone import from elsewhere, at exact versions, and deno.lock has their checksums", () => {
  const lock = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.lock"))) as Lock;
  const used = new Set<string>();
  const shipped = [...modules(join(ROOT, "lib")), join(ROOT, "mod.ts"), join(ROOT, "cli.ts")];
  for (const path of [...shipped, ...modules(join(ROOT, "tests"))]) {
    const text = Deno.readTextFileSync(path);
    const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*"((?:npm|jsr|https?):[^"…]*)"/g)].map((
      [, each],
    ) => each!);
    if (shipped.includes(path) && path !== join(ROOT, "lib", "deps.ts")) assertEquals(specifiers, [], path);
    for (const specifier of specifiers) {
      const [, name, version] = /^npm:((?:@[\w.-]+\/)?[\w.-]+)@(\d+\.\d+\.\d+)(?:\/|$)/.exec(specifier) ?? [];
      assert(name !== undefined, `${path}: ${specifier} is not pinned`);
      used.add(`${name}@${version}`);
    }
  }
  assert(used.size > 0);
  assertEquals(Object.keys(lock.npm).sort(), [...reachable(lock, used)].sort());
  for (const { integrity } of Object.values(lock.npm)) assertMatch(integrity, /^sha512-[A-Za-z0-9+/]{86}==$/);
});

Deno.test("the lock file is complete: nothing is looked for that it doesn't have", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--frozen", "--cached-only", "cli.ts", "mod.ts"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
});

Deno.test("each worker, each lazy import and each conversion does without the network", async () => {
  // tests/cli/permissions_test.ts converts with --deny-net; here, everything is loaded.
  const program = `
    for (const name of ${JSON.stringify([...modules(join(ROOT, "lib"))])}) await import("file://" + name);
    const deps = await import("file://${join(ROOT, "lib", "deps.ts")}");
    await deps.loadZip();
    await deps.loadChartTools();
  `;
  const { success, stderr } = await run(program);
  assertEquals([success, new TextDecoder().decode(stderr)], [true, ""]);
});

async function run(program: string): Promise<Deno.CommandOutput> {
  const path = Deno.makeTempFileSync({ suffix: ".ts" });
  try {
    Deno.writeTextFileSync(path, program);
    return await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--no-check",
        "--no-prompt",
        "--cached-only",
        "--deny-net",
        "--allow-read",
        path,
      ],
      env: { NO_COLOR: "1" },
    }).output();
  } finally {
    Deno.removeSync(path);
  }
}
