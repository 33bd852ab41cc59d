import { assertEquals, assertThrows } from "@std/assert";
import { type Command, parseArguments, UsageError } from "../../lib/cli/command.ts";
import { assertError } from "../convert/_assert_error.ts";

const command: Command = {
  words: ["bake", "bread"],
  summary: "Bake bread",
  details: [],
  positionals: [{ name: "dough", help: "The dough" }, { name: "tin", help: "The tin" }],
  options: [
    { name: "heat", value: "DEGREES", help: "How hot" },
    { name: "crust", value: "KIND", help: "What crust" },
    { name: "seed", value: "KIND", most: 2, help: "What seeds are on it" },
    { name: "dry-run", help: "Bake nothing" },
    { name: "salt", negated: true, help: "Leave the salt out" },
  ],
  examples: [],
  run: () => Promise.resolve(0),
};

/** What a command gets of its arguments. */
function parse(...args: string[]): unknown {
  const parsed = parseArguments(command, args);
  if (parsed === "help") return "help";
  const { positionals } = parsed;
  return [
    positionals,
    parsed.value("heat"),
    parsed.value("crust"),
    parsed.flag("dry-run"),
    parsed.flag("salt"),
  ];
}

Deno.test("parseArguments() takes positional arguments and options in any order", () => {
  const plain = [["a", "b"], undefined, undefined, false, true];
  assertEquals(parse("a", "b"), plain);
  assertEquals(parse("--heat", "200", "a", "--dry-run", "b"), [["a", "b"], "200", undefined, true, true]);
  assertEquals(parse("a", "--heat=200", "b", "--crust", "thick"), [["a", "b"], "200", "thick", false, true]);
  assertEquals(parse("--no-salt", "a", "b"), [["a", "b"], undefined, undefined, false, false]);
  assertEquals(parse("--salt", "a", "b"), plain);
});

Deno.test("parseArguments() takes underscores for dashes, in the names of options alone", () => {
  assertEquals(parse("--dry_run", "a_b", "--crust=no_nuts", "c"), [
    ["a_b", "c"],
    undefined,
    "no_nuts",
    true,
    true,
  ]);
  assertEquals(parse("--no_salt", "a", "--", "--dry_run"), [
    ["a", "--dry_run"],
    undefined,
    undefined,
    false,
    false,
  ]);
});

Deno.test("parseArguments() knows other spellings of values", () => {
  const kinds = ["huggingface", "bfloat16", "float16"];
  const parsed = (value: string) => {
    const parsed = parseArguments(command, ["a", "b", "--crust", value]);
    return parsed === "help" ? undefined : parsed.choice("crust", kinds);
  };
  assertEquals(["hf", "bf16", "fp16", "f16", "float16"].map(parsed), [
    ...["huggingface", "bfloat16", "float16", "float16", "float16"],
  ]);
  assertThrows(
    () => parsed("bfloat"),
    UsageError,
    'Option --crust needs one of huggingface, bfloat16, float16, got "bfloat" (did you mean bfloat16?)',
  );
});

Deno.test("parseArguments() takes an option as often as the command allows it", () => {
  const seeds = (...args: string[]) => {
    const parsed = parseArguments(command, ["a", "b", ...args]);
    return parsed === "help" ? undefined : parsed.values("seed");
  };
  assertEquals(seeds(), []);
  assertEquals(seeds("--seed", "flax"), ["flax"]);
  assertEquals(seeds("--seed", "flax", "--seed=poppy"), ["flax", "poppy"]);
});

Deno.test("parseArguments() leaves text as it is", () => {
  assertEquals(parse("0100", "1e3"), [["0100", "1e3"], undefined, undefined, false, true]);
  assertEquals(parse("a", "b", "--heat", "007"), [["a", "b"], "007", undefined, false, true]);
  assertEquals(parse("a", "b", "--crust=x=y"), [["a", "b"], undefined, "x=y", false, true]);
  assertEquals(parse("a b", "ü\n"), [["a b", "ü\n"], undefined, undefined, false, true]);
});

Deno.test("parseArguments() takes all for positional after --", () => {
  assertEquals(parse("--dry-run", "--", "-a", "--heat"), [
    ["-a", "--heat"],
    undefined,
    undefined,
    true,
    true,
  ]);
});

Deno.test("parseArguments() sees that help is asked for, whatever is missing", () => {
  assertEquals(parse("--help"), "help");
  assertEquals(parse("-h"), "help");
  assertEquals(parse("a", "--heat", "200", "--help"), "help");
  assertEquals(parse("a", "b", "c", "-h"), "help");
});

Deno.test("parseArguments() refuses what the command doesn't declare", () => {
  const cases: readonly (readonly [args: readonly string[], message: string])[] = [
    [[], "Missing <dough>"],
    [["a"], "Missing <tin>"],
    [["a", "b", "c", "d"], 'Unexpected argument "c"'],
    [["", "b"], "<dough> is empty"],
    [["a", ""], "<tin> is empty"],
    [["a", "b", "--cold"], "Unknown option --cold"],
    [["a", "b", "--dry_rum"], "Unknown option --dry_rum (did you mean --dry-run?)"],
    [["a", "b", "--cold=yes"], "Unknown option --cold"],
    [["a", "b", "--no-heat"], "Unknown option --no-heat (did you mean --no-salt?)"],
    [["a", "b", "--no-dry-run"], "Unknown option --no-dry-run (did you mean --dry-run?)"],
    [["a", "b", "-x"], "Unknown option -x"],
    [["a", "b", "--__proto__=x"], "Unknown option --__proto__"],
    [["a", "b", "--constructor"], "Unknown option --constructor"],
    [["a", "b", "--heat"], "Option --heat needs a value"],
    [["a", "b", "--heat="], "Option --heat needs a value"],
    [["a", "b", "--heat", "--dry-run"], "Option --heat needs a value"],
    [["a", "b", "--heat", "1", "--heat", "2"], "Option --heat was given 2 times"],
    [["a", "b", "--seed", "1", "--seed=", "--seed", "2"], "Option --seed was given 3 times"],
    [["a", "b", "--seed", "1", "--seed="], "Option --seed needs a value"],
  ];
  for (const [args, message] of cases) {
    assertError(() => parseArguments(command, args), UsageError, message);
  }
});

Deno.test("UsageError has the words of the command whose help would help", () => {
  const error = assertThrows(() => parseArguments(command, []), UsageError);
  assertEquals(error.words, ["bake", "bread"]);
});
