/**
 * What a release is made of, as far as it can be made here: what stands in front of a compiled program is downloaded,
 * so Deno itself stands in for it, which `deno compile` takes for the platforms whose programs are ELF files.
 */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "../../lib/deps.ts";
import { archiveName, formula, targets } from "../../tools/release.ts";
import { TempDir } from "../_temp.ts";

const ROOT = join(import.meta.dirname!, "..", "..");
const { version } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
const REPOSITORY = "https://example.com/someone/ckpt";

async function outputOf(program: string, args: string[], options: Deno.CommandOptions = {}) {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, ...options }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

function release(args: string[], cwd: string) {
  const program = join(ROOT, "tools/release.ts");
  return outputOf(Deno.execPath(), ["run", "-A", "--quiet", program, ...args], {
    cwd,
    env: { NO_COLOR: "1", DENORT_BIN: Deno.execPath() },
  });
}

Deno.test("the targets are all that deno compile has", async () => {
  const { stderr } = await outputOf(Deno.execPath(), ["compile", "--target", "none", "cli.ts"], {
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  });
  const [, known = ""] = /possible values: (.*)/.exec(stderr) ?? [];
  assertEquals([...targets].sort(), known.split(", ").sort());
});

Deno.test({
  name: "deno task release packs programs and sums that sha256sum takes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const target = `${Deno.build.arch}-unknown-linux-gnu`;
    const { code, stdout, stderr } = await release(["--target", target, "made"], temp.path);
    assertEquals([code, stderr], [0, ""]);
    const name = archiveName(version, target);
    assertEquals(stdout, `made/${name}\nmade/SHA256SUMS\n`);
    const checked = await outputOf("sha256sum", ["--check", "SHA256SUMS"], { cwd: temp.at("made") });
    assertEquals([checked.code, checked.stdout], [0, `${name}: OK\n`]);

    const listed = await outputOf("tar", ["-tvzf", temp.at("made", name)]);
    const files = listed.stdout.trimEnd().split("\n").map((line) => line.split(/\s+/));
    assertEquals(files.map((words) => words.at(-1)), [
      "ckpt",
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
      "THIRD_PARTY_LICENSES",
    ]);
    assert(files[0]![0]!.startsWith("-rwx"), files[0]![0]);
  },
});

Deno.test("deno task release --dry-run shows how each program is compiled", async () => {
  using temp = new TempDir();
  const { code, stdout } = await release(["--dry-run"], temp.path);
  assertEquals(code, 0);
  const commands = stdout.trimEnd().split("\n").map((line) => line.slice(line.indexOf(" ") + 1));
  assertEquals(
    commands,
    targets.map((target) => `compile --quiet --allow-all --target ${target} --output ckpt cli.ts`),
  );
  assertEquals(temp.names(), []);
});

Deno.test("deno task release refuses what it doesn't know before it makes anything", async () => {
  using temp = new TempDir();
  for (const args of [["--target", "sparc"], ["--tagret", "sparc"]]) {
    const { code, stdout, stderr } = await release(args, temp.path);
    const what = args[0] === "--target" ? "sparc" : "--tagret";
    assertEquals([code, stdout, stderr], [
      2,
      "",
      `error: ${what} is unknown; see deno task release --help\n`,
    ]);
  }
  assertEquals(temp.names(), []);
});

/** Sums that can be told apart. */
const sums = new Map(targets.map((target, i) => [archiveName(version, target), `${i}`.repeat(64)]));

Deno.test("the formula has an archive of each platform, with its own sum", () => {
  const text = formula(`${REPOSITORY}/`, version, sums);
  for (const [name, sum] of sums) {
    const both = `url "${REPOSITORY}/releases/download/v${version}/${name}"\n      sha256 "${sum}"\n`;
    assertEquals(text.includes(both), !name.includes("windows"), name);
  }
  for (const cpu of ["arm", "intel"]) assertEquals(text.split(`on_${cpu} do`).length, 3);
  sums.forEach((_, name) => {
    if (name.includes("windows")) return;
    const rest = new Map(sums);
    rest.delete(name);
    assertThrows(() => formula(REPOSITORY, version, rest), Error, `the formula needs ${name}, too`);
  });
});

const ruby = await outputOf("ruby", ["--version"]).then(({ code }) => code === 0, () => false);

Deno.test({
  name: "ruby can read the formula",
  ignore: !ruby,
  async fn() {
    using temp = new TempDir();
    Deno.writeTextFileSync(temp.at("ckpt.rb"), formula(REPOSITORY, version, sums));
    assertEquals(await outputOf("ruby", ["-c", temp.at("ckpt.rb")]), {
      code: 0,
      stdout: "Syntax OK\n",
      stderr: "",
    });
  },
});
