/**
 * The scripts for shells, in the shells themselves, and the manual page. What isn't installed is skipped.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { commands } from "../../lib/cli/commands.ts";
import { completions } from "../../lib/cli/completions.ts";
import { optionUsage } from "../../lib/cli/help.ts";
import { manPage } from "../../lib/cli/man_page.ts";
import { dtypes, targets } from "../../lib/convert/target.ts";
import { architectures } from "../../lib/models/model_cards.ts";
import { ckpt } from "../_ckpt.ts";
import { TempDir } from "../_temp.ts";
import { ignore as hasNoTerminal, runOnTerminal } from "./_terminal.ts";

const has = (program: string, ...args: string[]): boolean => {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    console.error(`no ${program}, so what is made for it isn't tested`);
    return false;
  }
};
const [hasBash, hasZsh, hasFish] = ["bash", "zsh", "fish"].map((shell) => has(shell, "--version"));

const MODELS = architectures.map(({ name }) => name);

/** What there is to choose from after what is typed, as far as it goes. */
const choices: readonly (readonly [typed: string, choices: readonly string[]])[] = [
  ["ckpt com", ["compare", "completions"]],
  ["ckpt llama con", ["convert_checkpoint"]],
  ["ckpt help ver", ["verify"]],
  ["ckpt completions ", ["bash", "fish", "zsh"]],
  ["ckpt convert --to ", [...targets]],
  ["ckpt convert in --dtype ", [...dtypes]],
  ["ckpt compare --from me", ["meta"]],
  ["ckpt convert --layout n", ["native"]],
  ["ckpt llama convert_checkpoint --no-", ["--no-card", "--no-clone", "--no-tokenizer"]],
  ["ckpt llama convert-checkpoint --dr", ["--dry-run"]],
  ["ckpt verify --a", ["--against"]],
  ["ckpt convert --model mistral", MODELS.filter((name) => name.startsWith("mistral"))],
  ["ckpt convert --step ", []],
  ["ckpt models ", []],
  ["ckpt nonsense --", []],
];

/** The same where files are to choose from, too: in the directory are model.pt and out/. */
const files: typeof choices = [
  ["ckpt inspect m", ["model.pt"]],
  ["ckpt convert model.pt o", ["out/"]],
  ["ckpt convert --tokenizer o", ["out/"]],
  ["ckpt convert --model mo", ["model.pt"]],
];

function setUp(temp: TempDir, shell: "bash" | "zsh" | "fish"): string {
  const script = temp.at("script");
  Deno.writeTextFileSync(script, completions[shell](commands, MODELS));
  Deno.mkdirSync(temp.at("in", "out"), { recursive: true });
  Deno.writeTextFileSync(temp.at("in", "model.pt"), "");
  return script;
}

async function outputOf(shell: string, args: string[], cwd: string): Promise<string> {
  const run = await new Deno.Command(shell, { args, cwd, env: { HOME: cwd, XDG_CONFIG_HOME: cwd } }).output();
  const [stdout, stderr] = [run.stdout, run.stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals([run.code, stderr], [0, ""]);
  return stdout!;
}

Deno.test({
  name: "bash chooses from what the commands take",
  ignore: !hasBash,
  async fn() {
    using temp = new TempDir();
    const script = setUp(temp, "bash");
    for (const [typed, expected] of choices) {
      const words = typed.split(" ").map((word) => `'${word}'`);
      const shell =
        `source ${script}; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _ckpt; ` +
        'printf "%s\\n" "${COMPREPLY[@]}"';
      const found = (await outputOf("bash", ["--norc", "-c", shell], temp.at("in"))).split("\n").filter(
        Boolean,
      );
      assertEquals(found.sort(), [...expected].sort(), typed);
    }
  },
});

Deno.test({
  name: "fish chooses from what the commands take",
  ignore: !hasFish,
  async fn() {
    using temp = new TempDir();
    const script = setUp(temp, "fish");
    for (const [typed, expected] of [...choices, ...files]) {
      const shell = `source ${script}; complete -C '${typed}'`;
      const found = (await outputOf("fish", ["--no-config", "-c", shell], temp.at("in"))).split("\n").filter(
        Boolean,
      )
        .map((line) => line.split("\t")[0]!);
      assertEquals(found.sort(), [...expected].sort(), typed);
    }
  },
});

/** What is typed, and what the program is called with when the line is sent (but for slashes, which zsh takes back). */
const typing: readonly (readonly [keys: string, args: string])[] = [
  ["ckpt conv\t--lay\tleg\tmo\to\t", "convert --layout legacy model.pt out"],
  ["ckpt lla\tcon\t--to=hug\tmo\t", "llama convert_checkpoint --to=huggingface model.pt"],
  ["ckpt inspect --js\tmo\t", "inspect --json model.pt"],
  ["ckpt convert --model mistr\tmo\t", "convert --model mistral_7b model.pt"],
  ["ckpt help mod\t", "help models"],
];

/** How a shell is started that only knows the script, and a program that says what it is called with. */
const interactive = {
  bash: (script: string) => `bash --noprofile --rcfile ${script} -i`,
  zsh: (script: string) => `env ZDOTDIR=$(dirname ${script}) zsh -d -i`,
} as const;

for (const [shell, ignore] of [["bash", !hasBash], ["zsh", !hasZsh]] as const) {
  Deno.test({
    name: `${shell} completes what is typed`,
    ignore: ignore || hasNoTerminal,
    async fn() {
      using temp = new TempDir();
      const script = setUp(temp, shell);
      const start = shell === "zsh"
        ? `autoload -U compinit; compinit -u -D; source ${script}`
        : `source ${script}; bind 'set enable-bracketed-paste off'`;
      Deno.writeTextFileSync(
        temp.at(".zshrc"),
        `${start}\nckpt() { echo "GOT: $* :" | sed 's/[/ ]*:$/./'; }\nPS1='READY> '\n`,
      );
      const type = [
        ...typing.flatMap(([keys, args]): [string, string][] => [
          ["READY> ", `${keys}\r`],
          // zsh has the value in the same word.
          [`GOT: ${shell === "zsh" ? args.replace("--layout ", "--layout=") : args}.`, ""],
        ]),
        ["READY> ", "exit\r"] as const,
      ];
      const { code } = await runOnTerminal(interactive[shell](temp.at(".zshrc")), {
        type,
        cwd: temp.at("in"),
      });
      assertEquals(code, 0);
    },
  });
}

Deno.test("ckpt completions prints each script, with the names of all models", async () => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const { code, stdout, stderr } = await ckpt(["completions", shell]);
    assertEquals([code, stderr], [0, ""]);
    for (const model of MODELS) assertMatch(stdout, new RegExp(`[ '"]${model}[ '"]`));
    for (const { options } of commands) {
      for (const { name } of options) assertStringIncludes(stdout, name);
    }
  }
  const { code, stderr } = await ckpt(["completions", "fisch"]);
  assertEquals([code, stderr], [
    2,
    'error: <shell> must be one of bash, zsh, fish, got "fisch" (did you mean fish?); see ckpt completions --help\n',
  ]);
});

const page = (await ckpt(["man"])).stdout;

Deno.test("the manual page has all commands and options", () => {
  assertEquals(`${manPage(commands)}\n`, page);
  for (const { words, options, summary } of commands) {
    const text = page.replaceAll("\\-", "-");
    assertStringIncludes(text, `.SS ${words.join(" ")}\n${summary}`);
    for (const option of options) {
      assertStringIncludes(text, `.TP\n.B ${optionUsage(option)}\n${option.help}`);
    }
  }
});

Deno.test({
  name: "man and mandoc find nothing wrong with the manual page",
  async fn() {
    using temp = new TempDir();
    const path = temp.at("ckpt.1");
    Deno.writeTextFileSync(path, page);
    if (has("mandoc", "-h") || has("mandoc", "-Tlint", "/dev/null")) {
      const { stdout } = await new Deno.Command("mandoc", { args: ["-Tlint", "-Wwarning", path] }).output();
      const warnings = new TextDecoder().decode(stdout).trim().split("\n");
      // No version has a date yet.
      assertEquals(warnings.filter((line) => !line.includes("missing date")), []);
    }
    if (has("man", "--version")) {
      const env = { MANWIDTH: "80", LC_ALL: "C.UTF-8" };
      const { stdout, stderr } = await new Deno.Command("man", { args: ["--warnings", "-l", path], env })
        .output();
      assertEquals(new TextDecoder().decode(stderr), "");
      const shown = new TextDecoder().decode(stdout);
      assertStringIncludes(shown, "ckpt llama convert_checkpoint [options] input output");
      assert(shown.split("\n").every((line) => line.length <= 80));
    }
  },
});
