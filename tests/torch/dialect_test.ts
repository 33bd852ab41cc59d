import { assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { dialectOf } from "../../lib/torch/dialect.ts";
import { currentDialect, layoutState, type TorchDialect } from "../../lib/torch/save_state.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { writePickle } from "../../lib/pickle/mod.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { fixturePath, render, stateOf, walkArchive, withTorchFile } from "./_fixtures.ts";
import { buildZip, memorySource, text } from "./_zip.ts";

/** The dialect of a golden file. */
async function dialectOfFixture(name: string): Promise<TorchDialect> {
  return await withTorchFile(fixturePath(name), dialectOf);
}

const of2_5: TorchDialect = {
  alignment: 64,
  statesAlignment: false,
  statesByteOrder: true,
  hasSerializationId: true,
  numericOrder: false,
};

/** A dialect without what differs between files of one version. */
function withoutDigits({ nameDigits: _, ...dialect }: TorchDialect): TorchDialect {
  return dialect;
}

Deno.test("dialectOf() tells versions of torch apart", async () => {
  assertEquals(withoutDigits(await dialectOfFixture("2.5.1/plain/model.pt")), of2_5);
  assertEquals(withoutDigits(await dialectOfFixture("2.13.0/plain/model.pt")), currentDialect);
});

Deno.test("dialectOf() knows files that were written to a stream", async () => {
  assertEquals(withoutDigits(await dialectOfFixture("2.5.1/stream/model.pt")), { ...of2_5, stem: "archive" });
});

Deno.test("dialectOf() reads the alignment", async () => {
  assertEquals((await dialectOfFixture("2.13.0/aligned_8/model.pt")).alignment, 8);
  assertEquals((await dialectOfFixture("2.13.0/aligned_4096/model.pt")).alignment, 4096);
});

Deno.test("dialectOf() takes the digits for the names, and counts the storages that they stand for", async () => {
  const path = fixturePath("2.13.0/many/model.pt");
  const id = new TextDecoder().decode(walkArchive(Deno.readFileSync(path)).at(-1)!.data);
  assertEquals((await dialectOfFixture("2.13.0/many/model.pt")).nameDigits, {
    digits: id.slice(0, 20),
    storages: 13,
  });
});

/** The dialect of a file with these records beside an empty dict. */
async function dialectWith(records: Record<string, string>): Promise<TorchDialect> {
  const file = buildZip([
    { name: "model/data.pkl", data: writePickle(new Map()) },
    ...Object.entries(records).map(([name, content]) => ({ name: `model/${name}`, data: text(content) })),
  ]);
  return await dialectOf(await openTorchFile(memorySource(file)));
}

Deno.test("dialectOf() knows files from before torch wrote such records", async () => {
  assertEquals(await dialectWith({ version: "3\n" }), {
    alignment: 64,
    statesAlignment: false,
    statesByteOrder: false,
    hasSerializationId: false,
    numericOrder: false,
  });
});

Deno.test("dialectOf() does without digits that aren't", async () => {
  for (const id of ["", "1".repeat(39), "1".repeat(41), "x".repeat(40)]) {
    const dialect = await dialectWith({ ".data/serialization_id": id });
    assertEquals([dialect.hasSerializationId, dialect.nameDigits], [true, undefined]);
  }
});

Deno.test("dialectOf() refuses alignments that can't be", async () => {
  for (const alignment of [1, 16384]) {
    assertEquals((await dialectWith({ ".storage_alignment": `${alignment}` })).alignment, alignment);
  }
  for (const stated of ["", "0", "-64", "1.5", "16385", "1e3x", "NaN", "0x40", " 64", "64\n"]) {
    await assertFailsAsync(
      () => dialectWith({ ".storage_alignment": stated }),
      FormatError,
      `file.pt: .storage_alignment can't be ${JSON.stringify(stated)}`,
    );
  }
});

for (
  const dialect of [{ ...of2_5, statesByteOrder: false, hasSerializationId: false }, of2_5, currentDialect]
) {
  Deno.test(`dialectOf() of what layoutState() wrote is the same: ${JSON.stringify(dialect)}`, async () => {
    await withTorchFile(fixturePath("2.13.0/many/model.pt"), async (file) => {
      const written = render(layoutState("model.pt", stateOf(file), { dialect }));
      const found = await dialectOf(await openTorchFile(memorySource(written)));
      assertEquals(withoutDigits(found), dialect);
    });
  });
}
