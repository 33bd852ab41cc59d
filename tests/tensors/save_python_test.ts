/** What is saved is what torch and safetensors read, and the bytes that they write. */

import { assertEquals } from "@std/assert";
import { castTensors, openTensors, saveSafetensors, saveTorch, selectTensors } from "../../mod.ts";
import { python, runPython } from "../_python.ts";
import { assertSameFile, assertSameTorchFile } from "../_state_facts.ts";
import { TempDir } from "../_temp.ts";

/** Tensors of all dtypes and forms, in a file of each format. */
const MAKE = `
import sys, torch, safetensors.torch
folder = sys.argv[1]
torch.manual_seed(0)
t = {}
for name in ["float64", "float32", "float16", "bfloat16", "complex64", "complex128"]:
    t[name] = torch.randn(3, 5).to(getattr(torch, name))
for name in ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "uint64"]:
    t[name] = torch.arange(6).reshape(2, 3).to(getattr(torch, name))
for name in ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]:
    t[name] = torch.arange(12, dtype=torch.uint8).view(getattr(torch, name)).reshape(4, 3)
t["bool"] = torch.tensor([True, False, True])
t["scalar"] = torch.tensor(2.5)
t["empty"] = torch.zeros(0, 4)
base = torch.arange(60.0).reshape(3, 4, 5)
t["transposed"] = base.transpose(0, 2)
t["window"] = base[1:, 1:3]
t["expanded"] = torch.tensor([[1.0], [2.0]]).expand(2, 3)
t["tied"] = t["float32"]
t["again"] = t["float32"][1:]
t["parameter"] = torch.nn.Parameter(torch.ones(2))
torch.save(t, folder + "/in.pt")
plain = {k: v.detach().contiguous().clone() for k, v in t.items() if v.dtype != torch.complex128}
safetensors.torch.save_file(plain, folder + "/plain.safetensors", metadata={"format": "pt"})
`;

const FACTS = `
import hashlib, json, sys, torch, safetensors.torch
def load(path):
    return safetensors.torch.load_file(path) if path.endswith(".safetensors") else torch.load(path, weights_only=True)
def facts(v):
    return [str(v.dtype), list(v.shape), hashlib.sha256(v.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes() if v.numel() else b"").hexdigest()]
print(json.dumps({k: facts(v) for k, v in load(sys.argv[1]).items()}))
`;

async function factsOf(path: string): Promise<Record<string, unknown>> {
  return JSON.parse(await runPython(FACTS, [path]));
}

Deno.test({
  name: "saveTorch() writes the bytes of torch.save: dtypes, strides, scalars, shared storages, parameters",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    await runPython(MAKE, [temp.path]);
    const tensors = await openTensors(temp.at("in.pt"));
    Deno.mkdirSync(temp.at("out"));
    for (const clone of [true, false]) {
      const path = temp.at("out", "in.pt");
      assertEquals((await saveTorch(path, tensors, { clone, overwrite: true })).notes, []);
      assertSameTorchFile(path, temp.at("in.pt"));
    }
    // Some of them, in another order, are what torch saves of these.
    const some = ["again", "tied", "int64", "transposed", "float8_e5m2", "bool", "scalar"];
    const few = new Map(some.map((name) => [name, tensors.get(name)!]));
    await saveTorch(temp.at("out", "few.pt"), few);
    await runPython(
      `
import sys, torch
t = torch.load(sys.argv[1], weights_only=True)
torch.save({k: t[k] for k in sys.argv[3].split()}, sys.argv[2])`,
      [temp.at("in.pt"), temp.at("few.pt"), some.join(" ")],
    );
    assertSameTorchFile(temp.at("out", "few.pt"), temp.at("few.pt"));
  },
});

Deno.test({
  name:
    "saveSafetensors() writes the bytes of save_file, with shared and strided tensors written out, and says so",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    await runPython(MAKE, [temp.path]);
    const tensors = selectTensors(
      await openTensors(temp.at("in.pt")),
      (_, { dtype }) => dtype !== "complex128",
    );
    const { notes } = await saveSafetensors(temp.at("out.safetensors"), tensors);
    assertSameFile(temp.at("out.safetensors"), temp.at("plain.safetensors"));
    assertEquals(notes, [
      "shared items are written for each tensor, as safetensors wants them: " +
      "float32 and tied and again, transposed and window",
      "made contiguous, as safetensors wants them: transposed, window, expanded",
    ]);
    const { complex128: _, ...expected } = await factsOf(temp.at("in.pt"));
    assertEquals(await factsOf(temp.at("out.safetensors")), expected);
    // And back.
    await saveTorch(temp.at("back.pt"), await openTensors(temp.at("out.safetensors")));
    assertEquals(await factsOf(temp.at("back.pt")), expected);
  },
});

Deno.test({
  name: "castTensors() gives the numbers that torch does, of strided and of long tensors too",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    await runPython(
      `
import sys, torch
torch.manual_seed(0)
t = {"plain": torch.randn(7, 9), "turned": torch.randn(7, 9).T, "half": torch.randn(5).half(), "bf": torch.randn(4, 4).bfloat16(),
     "long": torch.randn(2, 1300000), "ids": torch.arange(3), "scalar": torch.tensor(1 / 3)}
t["tied"] = t["plain"]
torch.save(t, sys.argv[1] + "/in.pt")
for name in ["float32", "float16", "bfloat16"]:
    cast = {k: v.to(getattr(torch, name)).contiguous() if v.is_floating_point() else v for k, v in t.items()}
    cast["tied"] = cast["plain"]
    if name == "float16": cast["half"] = cast["half"].clone()
    torch.save(cast, sys.argv[1] + f"/{name}.pt")`,
      [temp.path],
    );
    const tensors = await openTensors(temp.at("in.pt"));
    Deno.mkdirSync(temp.at("out"));
    for (const dtype of ["float16", "bfloat16"] as const) {
      const path = temp.at("out", `${dtype}.pt`);
      await saveTorch(path, castTensors(tensors, dtype));
      assertSameTorchFile(path, temp.at(`${dtype}.pt`));
    }
    const path = temp.at("out", "float32.safetensors");
    await saveSafetensors(path, castTensors(tensors, "float32"));
    assertEquals(await factsOf(path), await factsOf(temp.at("float32.pt")));
  },
});

Deno.test({
  name: "openTensors() reads the values that torch does",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    await runPython(MAKE, [temp.path]);
    const expected = JSON.parse(
      await runPython(
        `
import json, sys, torch
t = torch.load(sys.argv[1], weights_only=True)
print(json.dumps({k: v.detach().double().flatten().tolist() for k, v in t.items() if not v.is_complex() and "float8" not in k}))`,
        [temp.at("in.pt")],
      ),
    );
    for (const path of [temp.at("in.pt"), temp.at("plain.safetensors")]) {
      const tensors = await openTensors(path);
      for (const [name, values] of Object.entries<number[]>(expected)) {
        const read = await tensors.get(name)!.read();
        assertEquals(Array.from(read as ArrayLike<number | bigint>, Number), values, name);
      }
    }
    const window = (await openTensors(temp.at("in.pt"))).get("window")!;
    assertEquals([...await window.read({ rows: [1, 2] })], expected.window.slice(10));
  },
});
