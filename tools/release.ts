/**
 * Makes what a release has: the program for each platform, compiled and packed with its licences, `SHA256SUMS`, and a
 * Homebrew formula. docs/release.md says how it is used.
 *
 * ```sh
 * deno task release [--target TARGET]... [--repository URL] [--dry-run] [DIRECTORY]
 * ```
 *
 * @module
 */

import { basename, join, parseArgs } from "../lib/deps.ts";
import { thirdPartyLicences } from "./_licences.ts";
import { run } from "./_run.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What `deno compile` can compile for. */
export const targets = [
  "x86_64-unknown-linux-gnu",
  "aarch64-unknown-linux-gnu",
  "x86_64-apple-darwin",
  "aarch64-apple-darwin",
  "x86_64-pc-windows-msvc",
  "aarch64-pc-windows-msvc",
] as const;

/** What is in an archive beside the program. */
const FILES = ["README.md", "CHANGELOG.md", "LICENSE"];

/** What to make. */
export interface ReleaseOptions {
  /** The directory to put it in. */
  readonly directory: string;
  /** What to compile for. */
  readonly targets: readonly string[];
  /** The address of the repository, for the formula: archives are taken from its `/releases/download/v<version>/`. */
  readonly repository?: string | undefined;
}

/** The name of an archive. */
export function archiveName(version: string, target: string): string {
  return `ckpt-${version}-${target}.tar.gz`;
}

/**
 * The command that compiles for a target. Whoever gets a compiled program can't give it permissions that it hasn't,
 * so it has all of them.
 */
export function compileCommand(target: string, output: string): [string, ...string[]] {
  return [
    Deno.execPath(),
    "compile",
    "--quiet",
    "--allow-all",
    "--target",
    target,
    "--output",
    output,
    "cli.ts",
  ];
}

/** Makes a release; returns the paths of its files. */
export async function release({ directory, targets, repository }: ReleaseOptions): Promise<string[]> {
  const { version } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json")));
  Deno.mkdirSync(directory, { recursive: true });
  const made: string[] = [];
  const sums = new Map<string, string>();
  for (const target of targets) {
    const archive = join(directory, archiveName(version, target));
    await compile(target, archive);
    sums.set(basename(archive), await sha256(archive));
    made.push(archive);
  }
  const text = [...sums].map(([name, sum]) => `${sum}  ${name}\n`).join("");
  made.push(write(join(directory, "SHA256SUMS"), text));
  if (repository !== undefined) {
    made.push(write(join(directory, "ckpt.rb"), formula(repository, version, sums)));
  }
  return made;
}

/** Compiles for a target, and packs the program. */
async function compile(target: string, archive: string): Promise<void> {
  const built = Deno.makeTempDirSync({ prefix: "ckpt_release_" });
  try {
    const program = target.includes("windows") ? "ckpt.exe" : "ckpt";
    await run(compileCommand(target, join(built, program)), ROOT);
    for (const name of FILES) Deno.copyFileSync(join(ROOT, name), join(built, name));
    Deno.writeTextFileSync(join(built, "THIRD_PARTY_LICENSES"), await thirdPartyLicences());
    await run(["tar", "-czf", archive, "-C", built, program, ...FILES, "THIRD_PARTY_LICENSES"], ".");
  } finally {
    Deno.removeSync(built, { recursive: true });
  }
}

async function sha256(path: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", Deno.readFileSync(path))).toHex();
}

function write(path: string, text: string): string {
  Deno.writeTextFileSync(path, text);
  return path;
}

/**
 * A formula for Homebrew, of the platforms that it knows.
 *
 * @param repository The address of the repository.
 * @param version The version.
 * @param sums The SHA-256 of each archive by its name.
 * @throws {Error} If the archive of a platform is missing.
 */
export function formula(repository: string, version: string, sums: ReadonlyMap<string, string>): string {
  const home = repository.replace(/\/+$/, "");
  const archive = (cpu: string, target: string) => {
    const name = archiveName(version, target);
    const sum = sums.get(name);
    if (sum === undefined) throw new Error(`the formula needs ${name}, too`);
    return `    ${cpu} do
      url "${home}/releases/download/v${version}/${name}"
      sha256 "${sum}"
    end
`;
  };
  return `class Ckpt < Formula
  desc "Converts and inspects checkpoints of language models"
  homepage "${home}"
  version "${version}"
  license "MIT"

  on_macos do
${archive("on_arm", "aarch64-apple-darwin")}
${archive("on_intel", "x86_64-apple-darwin")}  end

  on_linux do
${archive("on_arm", "aarch64-unknown-linux-gnu")}
${archive("on_intel", "x86_64-unknown-linux-gnu")}  end

  def install
    bin.install "ckpt"
  end

  test do
    assert_match "ckpt #{version}", shell_output("#{bin}/ckpt --version")
  end
end
`;
}

const HELP = `Compiles ckpt for each platform, and makes SHA256SUMS and a Homebrew formula.

  deno task release [options] [DIRECTORY]

  DIRECTORY           where to put them (default: release)
  --target TARGET     compile for this alone; may be given again
  --repository URL    make the formula, ckpt.rb, for archives at URL/releases/download/v<version>/
  --dry-run           print the commands that compile, and run none

Targets: ${targets.join(", ")}
`;

async function main(): Promise<number> {
  const unknown: string[] = [];
  const args = parseArgs(Deno.args, {
    string: ["repository", "target"],
    collect: ["target"],
    boolean: ["dry-run", "help"],
    unknown: (argument, key) => key === undefined || !unknown.push(argument),
  });
  if (args.help) {
    console.log(HELP);
    return 0;
  }
  const wanted = (args.target as string[]).length === 0 ? targets : args.target as string[];
  for (const target of wanted) if (!targets.some((each) => each === target)) unknown.push(target);
  if (unknown.length > 0) {
    console.error(`error: ${unknown[0]} is unknown; see deno task release --help`);
    return 2;
  }
  if (args["dry-run"]) {
    for (const target of wanted) console.log(compileCommand(target, "ckpt").join(" "));
    return 0;
  }
  const options = { directory: String(args._[0] ?? "release"), targets: wanted };
  const repository = args.repository as string | undefined;
  for (const path of await release({ ...options, repository })) console.log(path);
  return 0;
}

if (import.meta.main) Deno.exit(await main());
