/**
 * The npm package, as one has it who has no Deno: packed, installed into an empty prefix, and run where no registry
 * can be reached and nothing is cached.
 */

import { assert, assertEquals } from "@std/assert";
import { basename, join } from "../../lib/deps.ts";
import { thirdPartyLicences } from "../../tools/_licences.ts";
import { pack } from "../../tools/pack.ts";
import { CONVERT } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { assertSameFile } from "../_state_facts.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { makeCheckpoint } from "../bench/make_checkpoint.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const CASE = "fairseq2-0.3.0/llama3_bf16";

/** Nothing listens here. */
const NOWHERE = "http://127.0.0.1:9";

const hasRegistry = await canInstall();

/** Whether there is npm, and it reaches a registry. */
async function canInstall(): Promise<boolean> {
  if (Deno.build.os === "windows") return false;
  const reached = await new Deno.Command("npm", {
    args: ["view", "deno", "name"],
    stdout: "null",
    stderr: "null",
  })
    .output().then(({ success }) => success, () => false);
  if (!reached) {
    console.warn("npm, or the registry that it takes packages from, is missing: ckpt isn't packed");
  }
  return reached;
}

/** The package, installed, in a home and with a cache of its own, cut off from every registry. */
class Installed implements Disposable {
  readonly #temp = new TempDir();
  /** The names of the files in the package. */
  files: string[] = [];

  /** Packs and installs ckpt. */
  static async make(): Promise<Installed> {
    const made = new Installed();
    const packed = await pack(made.#temp.path);
    made.files = (await must("tar", ["tzf", packed])).trimEnd().split("\n");
    await must("npm", [
      "install",
      "--global",
      "--no-audit",
      "--no-fund",
      "--prefix",
      made.#temp.at("prefix"),
      packed,
    ]);
    Deno.mkdirSync(made.#temp.at("home"));
    return made;
  }

  /** The path of something beside it. */
  at(name: string): string {
    return this.#temp.at(name);
  }

  /** How to run it. */
  command(
    args: readonly string[],
    { before = [], env = {} }: { before?: readonly string[]; env?: Record<string, string> } = {},
  ): Deno.Command {
    const [program, ...rest] = [...before, this.at("prefix/bin/ckpt"), ...args];
    return new Deno.Command(program!, {
      args: rest,
      clearEnv: true,
      env: {
        PATH: "/usr/bin:/bin",
        HOME: this.at("home"),
        NO_COLOR: "1",
        npm_config_registry: NOWHERE,
        http_proxy: NOWHERE,
        https_proxy: NOWHERE,
        ...env,
      },
      cwd: this.#temp.path,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  /** Runs it. */
  async run(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await this.command(args, { env }).output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Removes it. */
  [Symbol.dispose](): void {
    this.#temp[Symbol.dispose]();
  }
}

async function must(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "the npm package runs where there is no Deno, no cache and no registry",
  ignore: !hasRegistry,
  async fn(t) {
    using ckpt = await Installed.make();
    const { version } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));

    await t.step("it has the program and the library, and nothing else", () => {
      const tops = new Set(ckpt.files.map((name) => name.split("/")[1]));
      assertEquals(
        [...tops].sort(),
        "CHANGELOG.md LICENSE README.md THIRD_PARTY_LICENSES ckpt dist lib mod.ts package.json".split(" "),
      );
      for (const name of ckpt.files.filter((name) => name.includes("/dist/"))) {
        const text = Deno.readTextFileSync(ckpt.at(name.replace("package", "prefix/lib/node_modules/ckpt")));
        assert(!/^\/\/ .*(node_modules|\/npm\/)/m.test(text), `${name} says where it was made`);
      }
    });

    await t.step("arguments, output and exit codes are the program's", async () => {
      assertEquals(await ckpt.run(["--version"]), { code: 0, stdout: `ckpt ${version}\n`, stderr: "" });
      assertEquals(await ckpt.run(["inspect", " no  such*"]), {
        code: 1,
        stdout: "",
        stderr: `error:  no  such*: no such file or directory; check the path\n`,
      });
      assertEquals((await ckpt.run(["inspect", "--no-such"])).code, 2);
    });

    await t.step("it converts, with workers", async () => {
      const { code, stderr } = await ckpt.run([
        ...CONVERT,
        "--no-clone",
        "--verify",
        join(CHECKPOINTS, CASE, "step_10"),
        "out",
      ]);
      assertEquals(code, 0, stderr);
      const name = "consolidated.00.pth";
      assertSameFile(ckpt.at(`out/${name}`), join(CHECKPOINTS, "expected", CASE, "reference", name));
    });

    await t.step("it makes pages", async () => {
      const { code, stderr } = await ckpt.run(["inspect", "--html", "page.html", "out"]);
      assertEquals(code, 0, stderr);
      assert(Deno.readTextFileSync(ckpt.at("page.html")).includes("<svg"));
    });

    await t.step("nothing needs to be written beside the output", async () => {
      // Nobody can make a directory there.
      const { code, stderr } = await ckpt.run(["verify", "out"], { HOME: "/proc/none" });
      assertEquals(code, 0, stderr);
    });

    makeCheckpoint({ model: "llama3_2_1b", layers: 5, shards: 1, directory: ckpt.at("in") });
    const args = [...CONVERT, "--no-clone", "in/step_1", "stopped"];
    for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
      await t.step(`${signal} stops it with ${code}`, async () => {
        assertEquals(await stop(ckpt.command(args), signal), code);
        assert(!Array.from(Deno.readDirSync(ckpt.at("."))).some(({ name }) => name.startsWith("stopped")));
      });
    }

    await t.step("nohup holds", async () => {
      assertEquals(await stop(ckpt.command(args, { before: ["nohup"] }), "SIGHUP"), 0);
    });

    await t.step("the library has its types", async () => {
      Deno.mkdirSync(ckpt.at("user/node_modules"), { recursive: true });
      Deno.symlinkSync(ckpt.at("prefix/lib/node_modules/ckpt"), ckpt.at("user/node_modules/ckpt"));
      Deno.writeTextFileSync(ckpt.at("user/package.json"), `{ "dependencies": { "ckpt": "${version}" } }`);
      const user = ckpt.at("user/main.ts");
      Deno.writeTextFileSync(
        user,
        `import { openTensors } from "ckpt";
const tensors = await openTensors(Deno.args[0]!);
const dtype: string = tensors.get("decoder.layer_norm.weight")!.dtype;
// @ts-expect-error A path is needed.
const missing = () => openTensors();
console.log(dtype, typeof missing);
`,
      );
      const printed = await must(Deno.execPath(), [
        "run",
        "-A",
        "--check",
        "--quiet",
        user,
        join(CHECKPOINTS, CASE),
      ]);
      assertEquals(printed, "bfloat16 function\n");
    });
  },
});

/** Sends a signal to a conversion once it has begun to copy; returns its exit code. */
async function stop(command: Deno.Command, signal: Deno.Signal): Promise<number> {
  const child = command.spawn();
  let sent = false;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    if (sent || !text.includes("params.json done")) continue;
    child.kill(signal);
    sent = true;
  }
  await child.stdout.cancel();
  return (await child.status).code;
}

Deno.test("every package that is built in has its licence", async () => {
  const imported = [
    ...Deno.readTextFileSync(join(ROOT, "lib/deps.ts")).matchAll(/"npm:((?:@[^/@]+\/)?[^/@]+)@([\d.]+)/g),
  ];
  assert(imported.length > 0);
  const parts = (await thirdPartyLicences()).split(/^-+$/m);
  for (const [, name, version] of imported) {
    const part = parts.find((part) => part.startsWith(`\n${name} ${version}\n`));
    assert(part !== undefined && /licen[cs]e|permission/i.test(part), name);
  }
});

Deno.test("all name the same Deno", () => {
  for (const path of ["tools/pack.ts", ".ci/run", "README.md", "CONTRIBUTING.md"]) {
    const named = Deno.readTextFileSync(join(ROOT, path)).match(/(?:deno@|DENO = ")2\.\d+\.\d+/g) ?? [];
    assert(named.length > 0, path);
    for (const each of named) assert(each.endsWith("2.9.6"), `${basename(path)}: ${each}`);
  }
});
