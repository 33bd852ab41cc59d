/**
 * Files that would hide from `ckpt inspect --globals` what they run: each names a function, and torch, Python or numpy
 * look it up. It must be listed, or the result incomplete, or the file refused.
 */

import { assert, assertEquals } from "@std/assert";
import { dirname, join } from "../../lib/deps.ts";
import { FormatError } from "../../lib/error.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspect } from "../../lib/inspect/inspect.ts";
import { verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { type GlobalsInspection, inspectGlobals } from "../../lib/inspect/globals.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { ckpt } from "../_ckpt.ts";
import { python } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { ascii, pickle } from "../pickle/assemble.ts";
import { memorySource } from "../torch/_zip.ts";
import { archiveWith, arrayOf, attacks, call, polyglot } from "./_attacks.ts";
import { CANARY, whoRuns } from "./_canary.ts";

/** What was found, in short. */
function summary({ globals, complete }: GlobalsInspection): string {
  const isListed = globals.some(({ name }) => name === `${CANARY.module}.${CANARY.name}`);
  return [...(isListed ? ["listed"] : []), ...(complete ? [] : ["not complete"])].join(", ");
}

Deno.test("inspectGlobals() doesn't miss a program of TorchScript's, nor one in Python", async () => {
  using temp = new TempDir();
  const path = temp.at("x.pt");
  const empty = pickle("EMPTY_DICT", "STOP");
  Deno.writeFileSync(path, archiveWith(empty, [{ name: "constants.pkl", bytes: empty }]));
  assertEquals(await inspectGlobals(path), {
    globals: [],
    complete: false,
    notes: ["is a TorchScript archive: torch.load runs its programs, which aren't read"],
  });
  Deno.writeFileSync(path, archiveWith(empty, [{ name: "code/x.py", bytes: ascii("import os") }]));
  assertEquals(await inspectGlobals(path), {
    globals: [],
    complete: false,
    notes: ["code/x.py: is a program, which isn't read"],
  });
});

Deno.test("inspectGlobals() looks at all files in a directory, whatever they are called and however deep", async () => {
  const names = ["evil", "evil.json", "a/b/c/d/e/f/g/evil.pt", "x.partial/evil.pt", ".evil.bin"];
  for (const name of names) {
    using temp = new TempDir();
    Deno.mkdirSync(dirname(temp.at(name)), { recursive: true });
    Deno.writeFileSync(temp.at(name), call);
    for (const [text, content] of texts) Deno.writeTextFileSync(temp.at(text), content);
    assertEquals(await inspectGlobals(temp.path), {
      globals: [{ name: "ckpt_canary.run", allowed: false }],
      complete: true,
      notes: [],
    }, name);
  }
});

/** What lies beside weights and is no pickle, though it may begin like one. */
const texts: readonly (readonly [name: string, content: string])[] = [
  ["config.json", '{"a": 1}\n'],
  ["model.yaml", "model_family: llama\n"],
  ["LICENSE", "LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date: July 23, 2024\n"],
  ["NOTICE", "Name of the thing\n"],
  ["README.md", "# A model\n"],
  ["Intro", "It is\nnot one.\n"],
  ["Full", "Full text\n"],
  ["tokens", "T\nK\n.\n"],
  ["empty.pt.txt", ""],
];

Deno.test("inspectGlobals() finds no pickle in an array of numbers", async () => {
  using temp = new TempDir();
  Deno.writeFileSync(temp.at("x.npy"), arrayOf("'<f4'", new Uint8Array(4)));
  assertEquals(await inspectGlobals(temp.at("x.npy")), {
    globals: [],
    complete: true,
    notes: ["an array of numpy's without objects holds no pickle"],
  });
  Deno.writeFileSync(temp.at("x.npy"), arrayOf("'<f4'", new Uint8Array(5)));
  assertEquals(await inspectGlobals(temp.at("x.npy")), {
    globals: [],
    complete: false,
    notes: ["is an array of numpy's that doesn't end where its header says; it may name more"],
  });
});

Deno.test("inspectGlobals() says what in a directory it couldn't look into", async () => {
  using temp = new TempDir();
  Deno.mkdirSync(temp.at("elsewhere"));
  Deno.mkdirSync(temp.at("in"));
  Deno.symlinkSync(temp.at("elsewhere"), temp.at("in/link"));
  Deno.writeTextFileSync(temp.at("in/none.bin"), "%PDF");
  Deno.writeFileSync(temp.at("in/x.pt"), archiveWith(call).subarray(0, -1));
  assertEquals(await inspectGlobals(temp.at("in")), {
    globals: [],
    complete: false,
    notes: [
      "none.bin: is no pickle, nor does it hold one: Cannot read opcode 0x25: no protocol has it " +
      "(at byte 0 of the pickle)",
      "x.pt: the zip archive can't be read (end of central directory not found); " +
      "it is truncated or damaged, so copy it again",
      "link: is a link to a directory, which isn't followed",
    ],
  });
});

Deno.test("inspect(), compareCheckpoints() and verifyCheckpoint() refuse what is safetensors and a pickle", async () => {
  using temp = new TempDir();
  const [path, plain] = [temp.at("model.safetensors"), temp.at("plain.safetensors")];
  Deno.writeFileSync(path, polyglot());
  // By the format alone nothing is wrong with it.
  assertEquals([...(await openSafetensors(memorySource(polyglot()))).tensors.keys()], ["w"]);
  const message = `${path}: can be read as a safetensors file and as a pickle, which runs what it names; ` +
    "see what that is with ckpt inspect --globals";
  await assertFailsAsync(() => inspect(path), FormatError, message);
  Deno.copyFileSync(join(CHECKPOINTS, "..", "safetensors", "model.safetensors"), plain);
  await assertFailsAsync(() => compareCheckpoints(plain, path), FormatError, `b: ${message}`);
  const { ok, files } = await verifyCheckpoint(path);
  assertEquals([ok, `${path}: ${files[0]!.problem}`], [false, message]);
});

Deno.test("ckpt inspect --globals exits with 1 where something may be hidden", async () => {
  using temp = new TempDir();
  const hidden = attacks.find(({ what }) => what === "a pickle behind a thousand others")!;
  Deno.writeFileSync(temp.at("x.pt"), hidden.bytes);
  assertEquals(await ckpt(["inspect", "--globals", temp.at("x.pt")]), {
    code: 1,
    stdout: "0 globals\nnote: only its first 1000 pickles were read, 2000 bytes; it may name more\n",
    stderr: "",
  });
});

for (const { what, name = "x.pt", bytes, found } of attacks) {
  Deno.test(`inspectGlobals() doesn't miss ${what}`, async () => {
    using temp = new TempDir();
    const path = temp.at(name);
    Deno.writeFileSync(path, bytes);
    const got = await inspectGlobals(path).then(summary, (error) => {
      assert(error instanceof FormatError, String(error));
      return error.message.replace(`${path}: `, "");
    });
    assertEquals(got, found);
  });
}

Deno.test({
  name: "what inspectGlobals() is attacked with is run by torch, Python or numpy (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const paths = attacks.map(({ name = "x.pt", bytes }, i) => {
      const path = temp.at(`${i}-${name}`);
      Deno.writeFileSync(path, bytes);
      return path;
    });
    const runs = await whoRuns(temp.at("list"), paths);
    assertEquals(
      runs.map((run, i) => `${attacks[i]!.what}: ${run}`),
      attacks.map(({ what, runBy }) => `${what}: ${runBy}`),
    );
  },
});
