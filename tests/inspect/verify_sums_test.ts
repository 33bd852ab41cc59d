import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "../../lib/deps.ts";
import { FileError, FormatError, OptionError } from "../../lib/error.ts";
import { sumLine, tensorSumLine } from "../../lib/inspect/sums.ts";
import { type Verification, verifyCheckpoint } from "../../lib/inspect/verify.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { python, runPython } from "../_python.ts";
import { copyTree, TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";

const FIXTURES = join(CHECKPOINTS, "..");

const hashOf = (path: string) => createHash("sha256").update(Deno.readFileSync(path)).digest("hex");

/** What is wrong, by file. */
const problems = ({ files }: Verification) =>
  files.flatMap(({ path, problem }) => problem === undefined ? [] : [[path, problem]]);

/** A directory of two files of different formats, and what else lies beside. */
function makeCheckpoint(temp: TempDir): string {
  Deno.mkdirSync(temp.at("in/deep"), { recursive: true });
  Deno.copyFileSync(join(FIXTURES, "torch_legacy/plain/model.pt"), temp.at("in/legacy.pt"));
  Deno.copyFileSync(join(FIXTURES, "safetensors/dtypes.safetensors"), temp.at("in/deep/model.safetensors"));
  Deno.writeTextFileSync(temp.at("in/config.txt"), "some text");
  return temp.at("in");
}

/** The lines of a verification's sums. */
function linesOf(root: string, { files }: Verification): string {
  return files.flatMap(({ path, sha256, tensorSums = [] }) => {
    const name = path.slice(root.length + 1);
    return [
      sumLine(sha256!, name),
      ...tensorSums.map((each) => tensorSumLine(each.sha256!, name, each.name)),
    ];
  }).map((line) => `${line}\n`).join("");
}

Deno.test("verifyCheckpoint() says what each format was checked by", async () => {
  const checked = async (path: string) => (await verifyCheckpoint(join(FIXTURES, path))).files[0]!.checked;
  assertEquals(await checked("torch/2.13.0/plain/model.pt"), "checksums");
  assertEquals(await checked("torch_legacy/plain/model.pt"), "form");
  assertEquals(await checked("safetensors/model.safetensors"), "form");
});

Deno.test("verifyCheckpoint() computes sums, and finds each bit that flips against them", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  const found = await verifyCheckpoint(root, { sums: "tensors" });
  assertEquals(found.files.map(({ path, sha256 }) => [path, sha256]), [
    [temp.at("in/deep/model.safetensors"), hashOf(temp.at("in/deep/model.safetensors"))],
    [temp.at("in/legacy.pt"), hashOf(temp.at("in/legacy.pt"))],
  ]);
  Deno.writeTextFileSync(temp.at("SUMS"), linesOf(root, found));
  const against = temp.at("SUMS");
  const { ok, files } = await verifyCheckpoint(root, { against });
  assertEquals([ok, files.map(({ checked }) => checked)], [true, ["sums", "sums"]]);
  // Without them most go unnoticed: numbers that changed are numbers.
  let unnoticed = 0;
  for (const path of ["legacy.pt", "deep/model.safetensors"].map((name) => join(root, name))) {
    const bytes = Deno.readFileSync(path);
    for (let at = 0; at < bytes.length; at += Math.ceil(bytes.length / 40)) {
      const flipped = bytes.slice();
      flipped[at]! ^= 0x10;
      Deno.writeFileSync(path, flipped);
      if ((await verifyCheckpoint(path)).ok) unnoticed++;
      assertEquals((await verifyCheckpoint(root, { against })).ok, false, `${path} ${at}`);
    }
    Deno.writeFileSync(path, bytes);
  }
  assert(unnoticed > 20, String(unnoticed));
});

Deno.test("verifyCheckpoint() says which tensors differ from their sums", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  const path = temp.at("in/legacy.pt");
  const all = await verifyCheckpoint(root, { sums: "tensors" });
  Deno.writeTextFileSync(temp.at("SUMS"), linesOf(root, all));
  Deno.writeTextFileSync(temp.at("FILES"), linesOf(root, await verifyCheckpoint(root, { sums: "files" })));
  const bytes = Deno.readFileSync(path);
  const before = hashOf(path);
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const problem = (list: string) => `its SHA-256 is ${hashOf(path)}, but ${before} in ${temp.at(list)}`;
  assertEquals(problems(await verifyCheckpoint(root, { against: temp.at("SUMS") })), [
    [path, `${problem("SUMS")}; the tensors that differ are a`],
  ]);
  assertEquals(problems(await verifyCheckpoint(root, { against: temp.at("FILES") })), [[
    path,
    problem("FILES"),
  ]]);
  // Sums of tensors that say nothing of the file's other bytes.
  const other = linesOf(root, all).replace(before, "0".repeat(64));
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
  Deno.writeTextFileSync(temp.at("SUMS"), other);
  assertEquals(problems(await verifyCheckpoint(root, { against: temp.at("SUMS") })), [
    [path, `its SHA-256 is ${before}, but ${"0".repeat(64)} in ${temp.at("SUMS")}; its tensors are the same`],
  ]);
});

Deno.test("verifyCheckpoint() finds files that are missing, in none of the sums, or of another kind", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  const sum = hashOf(temp.at("in/legacy.pt"));
  Deno.writeTextFileSync(
    temp.at("SUMS"),
    [
      sumLine(sum, "./legacy.pt"),
      sumLine(hashOf(temp.at("in/config.txt")), "config.txt"),
      sumLine(sum, "deep/none.txt"),
      sumLine(sum, "../../elsewhere"),
      sumLine(sum, "/etc/hostname"),
    ].join("\n"),
  );
  const against = temp.at("SUMS");
  const first = await verifyCheckpoint(root, { against });
  assertEquals(problems(first), [
    [temp.at("in/deep/model.safetensors"), `${against} has no sum of it`],
    [temp.at("in/deep/none.txt"), "no such file or directory; check the path"],
  ]);
  assertEquals(first.files.map(({ path, checked }) => [path.slice(root.length + 1), checked]), [
    ["deep/model.safetensors", "form"],
    ["legacy.pt", "sums"],
    ["config.txt", "sums"],
    ["deep/none.txt", "form"],
  ]);
  Deno.writeTextFileSync(temp.at("in/config.txt"), "another text");
  assertEquals(problems(await verifyCheckpoint(root, { against }))[1], [
    temp.at("in/config.txt"),
    `its SHA-256 is ${hashOf(temp.at("in/config.txt"))}, but ${
      createHash("sha256").update("some text").digest("hex")
    } in ${against}`,
  ]);
  // Of one file nothing else is asked for.
  assertEquals((await verifyCheckpoint(temp.at("in/legacy.pt"), { against })).ok, true);
});

Deno.test("verifyCheckpoint() takes sums that sha256sum made elsewhere", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  const { stdout } = await new Deno.Command("sha256sum", {
    args: [temp.at("in/legacy.pt"), temp.at("in/deep/model.safetensors"), temp.at("in/config.txt")],
  }).output();
  Deno.writeFileSync(temp.at("SUMS"), stdout);
  assertEquals((await verifyCheckpoint(root, { against: temp.at("SUMS") })).ok, true);
});

Deno.test("verifyCheckpoint() refuses what is no list of sums", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  await assertFailsAsync(
    () => verifyCheckpoint(root, { against: temp.at("none") }),
    FileError,
    `${temp.at("none")}: no such file or directory; check the path`,
  );
  await assertFailsAsync(
    () => verifyCheckpoint(root, { against: temp.at("in/config.txt") }),
    FormatError,
    `${temp.at("in/config.txt")}: line 1 isn't one that sha256sum or ckpt verify --sums writes`,
  );
  await assertFailsAsync(
    // @ts-expect-error It is none of the words.
    () => verifyCheckpoint(root, { sums: "all" }),
    OptionError,
    'Option sums is "all"; it must be one of "files", "tensors"',
  );
});

Deno.test("verifyCheckpoint() reads sums from no device or pipe, whose size says nothing", async () => {
  using temp = new TempDir();
  const root = makeCheckpoint(temp);
  await assertFailsAsync(
    () => verifyCheckpoint(root, { against: "/dev/null" }),
    FileError,
    "/dev/null: is not a file; name the one that sha256sum or ckpt verify --sums wrote",
  );
});

Deno.test("verifyCheckpoint() gives tensors the same sums in every format and layout of their items", async () => {
  const sumsOf = async (path: string) =>
    new Map(
      (await verifyCheckpoint(join(FIXTURES, path), { sums: "tensors" })).files[0]!.tensorSums!.map((each) =>
        [each.name, each.sha256] as const
      ),
    );
  const checkpoint = "checkpoints/expected/fairseq2-0.3.0/llama3_bf16";
  const reference = await sumsOf(`${checkpoint}/reference/consolidated.00.pth`);
  const hf = await sumsOf(`${checkpoint}/hf/model.safetensors`);
  for (
    const [a, b] of [["norm.weight", "model.norm.weight"], ["output.weight", "lm_head.weight"], [
      "layers.1.feed_forward.w2.weight",
      "model.layers.1.mlp.down_proj.weight",
    ]] as const
  ) {
    assertEquals(reference.get(a), hf.get(b));
    assertEquals(reference.get(a)!.length, 64);
  }
});

const PROGRAM = `
import hashlib, json, sys, torch
big = torch.arange(3 * 700_000, dtype=torch.int32).reshape(3, 700_000)
tensors = {
    "transposed": torch.arange(12.0).reshape(3, 4).t(),
    "every other": torch.arange(40, dtype=torch.int16)[::2],
    "big rows": torch.arange(2 * 900_000, dtype=torch.int32).reshape(2, 900_000)[:, ::2],
    "big columns": big.t(),
    "in the middle": torch.arange(100, dtype=torch.uint8)[17:33].reshape(4, 4),
    "expanded": torch.tensor([1.5]).expand(3, 5),
    "scalar": torch.tensor(7),
    "empty": torch.zeros(0, 3),
    "sparse": torch.eye(2).to_sparse(),
}
for legacy in (False, True):
    torch.save(tensors, sys.argv[1 + legacy], _use_new_zipfile_serialization=not legacy)
print(json.dumps({name: None if tensor.is_sparse else hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
    for name, tensor in tensors.items()}))
`;

Deno.test({
  name: "verifyCheckpoint() hashes the items that torch sees, whatever their strides (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const expected = JSON.parse(await runPython(PROGRAM, [temp.at("zip.pt"), temp.at("legacy.pt")]));
    for (const name of ["zip.pt", "legacy.pt"]) {
      const { files } = await verifyCheckpoint(temp.at(name), { sums: "tensors" });
      assertEquals(files[0]!.problem, undefined);
      const sums = files[0]!.tensorSums!.map(({ name, sha256 }) => [name, sha256 ?? null]);
      assertEquals(Object.fromEntries(sums), expected);
    }
  },
});

Deno.test("verifyCheckpoint() counts what it reads twice", async () => {
  using temp = new TempDir();
  copyTree(join(CHECKPOINTS, "fairseq2-0.3.0/llama3_bf16_tp2"), temp.at("in"));
  const reports: [number, number][] = [];
  const { files } = await verifyCheckpoint(temp.at("in"), {
    sums: "files",
    onProgress: (...report) => reports.push(report),
  });
  const total = 2 * files.reduce((sum, { bytes }) => sum + bytes, 0);
  // The sums come first; that of a record's checksums is less than the file.
  assert(reports.some(([done]) => done === total / 2) && reports.at(-1)![0] > total * 0.9);
  assert(reports.every(([done, of], i) => of === total && done >= (reports[i - 1]?.[0] ?? 0)));
});
