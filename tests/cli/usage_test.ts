/**
 * How the program is called: commands, help, and calls that can't be understood.
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { commandHelp, groupHelp } from "../../lib/cli/help.ts";
import { architectures } from "../../lib/models/model_cards.ts";
import { commands } from "../../lib/cli/commands.ts";
import { VERSION } from "../../mod.ts";
import { ckpt, type Run } from "../_ckpt.ts";

const HELP = "ckpt llama convert_checkpoint --help";

/** What a call gives that is only about the program: all of it on stdout. */
function answer(run: Run): string {
  assertEquals([run.code, run.stderr], [0, ""]);
  return run.stdout;
}

/** A text whose lines were broken anew to fit a width. */
function unfolded(text: string): string {
  return text.replace(/\s+/g, " ");
}

Deno.test("ckpt shows help without arguments and with --help", async () => {
  const help = answer(await ckpt([]));
  assertEquals(answer(await ckpt(["--help"])), help);
  assertEquals(answer(await ckpt(["-h"])), help);
  assertEquals(answer(await ckpt(["help"])), help);
  assertEquals(answer(await ckpt(["help", "--help"])), help);
  for (const { words, summary } of commands) {
    assertStringIncludes(help, words.join(" "));
    assertStringIncludes(unfolded(help), summary);
  }
  assertStringIncludes(help, "Usage: ckpt <command> [options]");
  assertStringIncludes(help, "--version");
  assertStringIncludes(help, "-h, --help");
  assertStringIncludes(help, "Example:\n  ckpt convert run/checkpoints/step_1000 hf");
});

Deno.test("help that goes into a file or a pager fits 80 columns", async () => {
  for (const words of [[], ...commands.map(({ words }) => words)]) {
    const lines = answer(await ckpt([...words, "--help"])).split("\n");
    assertEquals(lines.filter((line) => line.length > 80), []);
  }
});

Deno.test("ckpt llama --help shows the commands of the group", async () => {
  const help = answer(await ckpt(["llama", "--help"]));
  assertEquals(answer(await ckpt(["llama", "-h"])), help);
  assertStringIncludes(help, "Commands of ckpt llama.");
  assertStringIncludes(help, "llama convert_checkpoint");
  assertStringIncludes(help, "Example:");
});

Deno.test("every command's --help mentions all that it takes, and shows examples", async () => {
  for (const { words, aliases = [], options, positionals, summary, examples } of commands) {
    const help = answer(await ckpt([...words, "--help"]));
    for (const last of aliases) {
      assertEquals(answer(await ckpt([...words.slice(0, -1), last, "-h"])), help);
    }
    assertEquals(answer(await ckpt(["help", ...words])), help);
    assertEquals(answer(await ckpt(["--help", ...words])), help);
    assertStringIncludes(unfolded(help), summary);
    const described = (left: string, right: string) =>
      assertStringIncludes(unfolded(help), `${left} ${right}`);
    for (const { name, help } of positionals) described(`<${name}>`, help);
    for (const { name, value, negated, help } of options) {
      described(`--${negated ? "no-" : ""}${name}${value === undefined ? "" : ` ${value}`}`, help);
    }
    described("-h, --help", "Show this help");
    assert(examples.length > 0);
    for (const [args, what] of examples) {
      assertStringIncludes(help, `# ${what}\n  ckpt ${words.join(" ")} ${args}`.trimEnd());
    }
  }
});

Deno.test("help fits 80 columns, but for lines that are to be copied", () => {
  const plain = (text: string) => text;
  const style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };
  for (const command of commands) {
    const long = commandHelp(command, style, 80).split("\n").filter((line) => line.length > 80);
    assertEquals(long.filter((line) => !line.startsWith("  ckpt ")), []);
  }
  assertEquals(groupHelp(commands, [], style, 80).split("\n").filter((line) => line.length > 80), []);
});

Deno.test("ckpt models lists what --model takes", async () => {
  const { models } = JSON.parse(answer(await ckpt(["models", "--json"])));
  assertEquals(models.map(({ name }: { name: string }) => name), architectures.map(({ name }) => name));
  const { name, cards, parameters } = models.find(({ name }: { name: string }) => name === "llama3_2_1b");
  // As its model card says: 1.23 billion.
  assertEquals([name, cards, parameters], ["llama3_2_1b", ["llama3_2_1b_instruct"], 1235814400]);
  const lines = answer(await ckpt(["models"])).trimEnd().split("\n");
  assertEquals(lines.length, 1 + architectures.length);
  assertStringIncludes(lines.join("\n"), "llama3_2_1b     1.24 B      16   2048  llama3_2_1b_instruct");
});

Deno.test("ckpt convert_checkpoint --help needs no permission", async () => {
  const options = { permissions: ["--deny-read", "--deny-write", "--deny-net", "--deny-env", "--deny-run"] };
  assertStringIncludes(answer(await ckpt(["llama", "convert_checkpoint", "--help"], options)), "Usage:");
});

Deno.test("ckpt --version gives deno.json's version", async () => {
  const { version } = JSON.parse(Deno.readTextFileSync(new URL("../../deno.json", import.meta.url)));
  for (const word of ["--version", "-V", "version"]) {
    assertEquals(answer(await ckpt([word])), `ckpt ${version}\n`);
  }
  assertEquals(VERSION, version);
});

const calls: readonly (readonly [args: readonly string[], message: string, see: string])[] = [
  [["llama"], "llama needs a command", "ckpt llama --help"],
  [["mistral"], 'Unknown command "mistral"', "ckpt --help"],
  [
    ["convert_checkpoint", "a", "b"],
    'Unknown command "convert_checkpoint" (did you mean llama convert_checkpoint?)',
    "ckpt --help",
  ],
  [["llama", "convert"], 'Unknown command "llama convert"', "ckpt llama --help"],
  [["llama", "convert", "--help"], 'Unknown command "llama convert"', "ckpt llama --help"],
  [["--quiet"], "Unknown option --quiet", "ckpt --help"],
  [["--verison"], "Unknown option --verison (did you mean --version?)", "ckpt --help"],
  [["llama", "--version"], "Unknown option --version", "ckpt llama --help"],
  [["llama", "convert_checkpoint"], "Missing <input>", HELP],
  [["llama", "convert-checkpoint", "in"], "Missing <output>", HELP],
  [["llama", "convert_checkpoint", "in", "out", "more"], 'Unexpected argument "more"', HELP],
  [
    ["llama", "convert_checkpoint", "in", "out", "--modle", "7b"],
    "Unknown option --modle (did you mean --model?)",
    HELP,
  ],
  [["llama", "convert_checkpoint", "in", "out", "--model"], "Option --model needs a value", HELP],
  [["llama", "convert_checkpoint", "in", "out", "--x\n\x1b[31my"], "Unknown option --x [31my", HELP],
  [
    ["llama", "convert_checkpoint", "in", "out", "--tokenizer", "x", "--no-tokenizer"],
    "Options --tokenizer and --no-tokenizer contradict each other",
    HELP,
  ],
  [["llama", "convert_checkpoint", "in", "out", "--instruct=yes"], "Option --instruct takes no value", HELP],
  ...["0", "257", "1.5", "-", "many"].map((jobs) =>
    [
      ["llama", "convert_checkpoint", "in", "out", `--jobs=${jobs}`],
      `Option --jobs needs a number from 1 to 256, got "${jobs}"`,
      HELP,
    ] as const
  ),
  ...["0/2", "3/2", "1", "1/2/3", "one/two"].map((task) =>
    [
      ["llama", "convert_checkpoint", "in", "out", `--task=${task}`],
      `Option --task needs a share such as 3/8, counted from 1, got "${task}"`,
      HELP,
    ] as const
  ),
];

for (const [args, message, see] of calls) {
  Deno.test(`ckpt ${JSON.stringify(args)} is a call that can't be understood`, async () => {
    assertEquals(await ckpt(args), { code: 2, stdout: "", stderr: `error: ${message}; see ${see}\n` });
  });
}
