/**
 * Model files that aren't what torch saves: damaged, of another kind, or of another format.
 */

import { crc32 } from "node:zlib";
import { join } from "../../lib/deps.ts";
import { Global, type PickleValue, Reduction, Tuple } from "../../lib/pickle/mod.ts";
import { PersistentId } from "../../lib/pickle/mod.ts";
import { changeTensor, type Dict, readRecords, storageOf } from "../_torch_files.ts";
import { testBadInput } from "./_bad_input.ts";

const TORCH = join(import.meta.dirname!, "..", "..", "fixtures", "torch", "2.5.1");
const EMBED = "decoder_frontend.embed.weight";
const NORM = "decoder.layer_norm.weight";

testBadInput({
  what: "a file that is no zip archive",
  spoil(copy) {
    Deno.writeTextFileSync(copy.file(), "model: llama\n");
    return `${copy.file()}: is not a zip archive, so torch (1.6 or later) didn't save it; name a .pt or .pth file`;
  },
});

testBadInput({
  what: "a pointer of Git LFS in place of the file",
  spoil(copy) {
    Deno.writeTextFileSync(copy.file(), "version https://git-lfs.github.com/spec/v1\noid sha256:82e9\n");
    return `${copy.file()}: is a Git LFS pointer, not the file itself; fetch it with git lfs pull`;
  },
});

testBadInput({
  what: "a web page in place of the file",
  spoil(copy) {
    Deno.writeTextFileSync(copy.file(), "\n<!DOCTYPE html>\n<html></html>");
    return `${copy.file()}: is a web page, not the file itself; download it again`;
  },
});

testBadInput({
  what: "an empty file",
  spoil(copy) {
    Deno.writeTextFileSync(copy.file(), "");
    return `${copy.file()}: the file is empty; copy it again`;
  },
});

for (
  const [what, keep, reason] of [
    ["in the middle", (size: number) => size >> 1, "end of central directory not found"],
    ["by one byte", (size: number) => size - 1, "end of central directory not found"],
    ["after a few", () => 10, "file format is not recognized"],
  ] as const
) {
  testBadInput({
    what: `a zip archive that is truncated ${what}`,
    spoil(copy) {
      const bytes = Deno.readFileSync(copy.file());
      Deno.writeFileSync(copy.file(), bytes.subarray(0, keep(bytes.length)));
      return `${copy.file()}: the zip archive can't be read (${reason}); ` +
        "it is truncated or damaged, so copy it again";
    },
  });
}

testBadInput({
  what: "a file of torch's legacy format that is no model",
  spoil(copy) {
    Deno.copyFileSync(join(TORCH, "unusual", "legacy.pt"), copy.file());
    return `${copy.file()}: holds no model: none of the keys model and _model; it has a, b, c`;
  },
});

testBadInput({
  what: "a bare pickle",
  spoil(copy) {
    copy.edit((records) => Deno.writeFileSync(copy.file("pickle"), records.get("data.pkl")!));
    Deno.renameSync(copy.file("pickle"), copy.file());
    return `${copy.file()}: is a bare pickle, not a checkpoint that torch saved; name a .pt or .pth file`;
  },
});

testBadInput({
  what: "a zip archive without data.pkl",
  spoil(copy) {
    copy.edit((records) => records.delete("data.pkl"));
    return `${copy.file()}: is a zip archive without data.pkl, so torch didn't write it; name a .pt file`;
  },
});

testBadInput({
  what: "a storage record that is missing",
  spoil(copy) {
    copy.edit((records) => records.delete("data/0"));
    return `${copy.file()}: ${EMBED}: its record data/0 is missing; the file is damaged or incomplete`;
  },
});

for (const [what, length] of [["shorter", 3198], ["longer", 3202]] as const) {
  testBadInput({
    what: `a storage record that is ${what} than its tensor needs`,
    spoil(copy) {
      copy.edit((records) => records.set("data/0", new Uint8Array(length)));
      return `${copy.file()}: ${EMBED}: its record data/0 has ${length} bytes, but 3200 are needed; ` +
        "the file is damaged";
    },
  });
}

for (
  const [what, change] of [
    ["by its shape", { shape: new Tuple(51, 32) }],
    ["by its offset", { offset: 1 }],
    ["by its strides", { stride: new Tuple(33, 1) }],
  ] as const
) {
  testBadInput({
    what: `a tensor outside its storage ${what}`,
    spoil(copy) {
      copy.editState((state) => void state.set(EMBED, changeTensor(state.get(EMBED)!, change)));
      const rows = "shape" in change ? 51 : 50;
      return `${copy.file()}: ${EMBED}: the tensor [${rows}, 32] reaches past its storage of 3200 bytes; ` +
        "the file is damaged";
    },
  });
}

testBadInput({
  what: "a tensor of negative sizes",
  spoil(copy) {
    copy.editState((state) =>
      void state.set(NORM, changeTensor(state.get(NORM)!, { shape: new Tuple(-32) }))
    );
    return `${copy.file()}: ${NORM}: the tensor's shape can't be -32; the file is damaged`;
  },
});

testBadInput({
  what: "a bad CRC in data.pkl",
  spoil(copy) {
    copy.edit(() => {}, { crcs: { "data.pkl": 0x12345678 } });
    return `${copy.file()}: data.pkl: the record is damaged (its CRC-32 doesn't match); copy the file again`;
  },
});

testBadInput({
  what: "weights whose bytes changed",
  spoil(copy, temp) {
    const weights = readRecords(copy.file()).get("data/18")!;
    const expected = crc32(weights);
    weights[0]! ^= 1;
    copy.edit((records) => records.set("data/18", weights), { crcs: { "data/18": expected } });
    const [found, stated] = [crc32(weights), expected].map((crc) => crc.toString(16).padStart(8, "0"));
    return {
      output: temp.at("a", "b", "out"), // None of these directories may stay.
      message: `${copy.file()}: data/18: the bytes are damaged (CRC-32 ${found}, expected ${stated}); ` +
        "get the file again from where it was written",
    };
  },
});

testBadInput({
  what: "tensors of the other byte order",
  spoil(copy) {
    copy.edit((records) => records.set("byteorder", new TextEncoder().encode("big")));
    return `${copy.file()}: byteorder: the tensors are not little-endian; load the file with torch on a ` +
      "little-endian machine and torch.save it again";
  },
});

testBadInput({
  what: "a compressed record",
  spoil(copy) {
    copy.edit(() => {}, { methods: { "data/3": 8 } });
    return `${copy.file()}: model/data/3: the record is compressed, which torch never does; ` +
      "unpack the file and pack it again without compression (zip -0)";
  },
});

const needless = [
  ["os", "system"],
  ["builtins", "eval"],
  ["__builtin__", "eval"],
  ["torch.hub", "load"],
  ["numpy", "dtype"],
] as const;

for (const [module, name] of needless) {
  testBadInput({
    what: `a global that no weights need: ${module}.${name}`,
    spoil(copy) {
      copy.edit((records) =>
        records.edit((root) =>
          new Map<PickleValue, PickleValue>([
            ["run", new Reduction(new Global(module, name), new Tuple("true"))],
            ...root,
          ])
        )
      );
      // PROTO 2, EMPTY_DICT, BINPUT 0, MARK, BINUNICODE "run", BINPUT 1, GLOBAL.
      return `${copy.file()}: data.pkl: names ${module}.${name} at byte 16, which no model's weights need; ` +
        "ckpt runs nothing from a file, so save the weights alone (a state dict)";
    },
  });
}

testBadInput({
  what: "a pickle that ends early",
  spoil(copy) {
    copy.edit((records) => records.set("data.pkl", records.get("data.pkl")!.subarray(0, 1000)));
    return `${copy.file()}: data.pkl: Cannot read pickle: it ends before STOP (at byte 1000 of the pickle); copy the file again`;
  },
});

testBadInput({
  what: "a quantized tensor",
  spoil(copy) {
    copy.editState((state) => {
      const tensor = state.get(EMBED) as Reduction;
      state.set(EMBED, new Reduction(new Global("torch._utils", "_rebuild_qtensor"), tensor.args));
    });
    return `${copy.file()}: ${EMBED}: is not a plain tensor (_rebuild_qtensor), which ckpt doesn't convert; ` +
      "save dense tensors (tensor.to_dense(), .dequantize(), .full_tensor())";
  },
});

testBadInput({
  what: "one storage of two dtypes",
  spoil(copy) {
    copy.editState((state: Dict) => {
      const name = "decoder.layers.0.self_attn_layer_norm.weight";
      const [tag, , , location] = storageOf(state.get(name)!) as PickleValue[];
      const type = new Global("torch", "HalfStorage");
      const storage = new PersistentId(new Tuple(tag!, type, "0", location!, 1600));
      state.set(name, changeTensor(state.get(name)!, { storage }));
    });
    return `${copy.file()}: decoder.layers.0.self_attn_layer_norm.weight: ` +
      "its storage data/0 is used with two dtypes, which torch never saves";
  },
});
