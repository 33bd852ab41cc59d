import { assertEquals } from "@std/assert";
import { dtypeOf, dtypes } from "../../lib/tensor/dtype.ts";
import { dtypeOfStorageClass, storageClassOf } from "../../lib/torch/storage_type.ts";
import { readPickle } from "../../lib/pickle/mod.ts";
import { fixturePath, versions, walkArchive } from "./_fixtures.ts";

for (const version of versions) {
  Deno.test(`storageClassOf() has the classes that torch ${version} saves with`, () => {
    // The first tensor of each class names it, in the order of the dtypes.
    const { data } = walkArchive(Deno.readFileSync(fixturePath(`${version}/all_dtypes/model.pt`)))[0]!;
    const named = new Set<string>();
    readPickle(data, {
      onGlobal({ module, name }) {
        if (module === "torch" && name.endsWith("Storage")) named.add(name);
      },
    });
    const classes = [...dtypes.values()].map(storageClassOf).filter((name) => name !== undefined);
    assertEquals(classes.toSorted(), [...named].toSorted());
  });
}

Deno.test("dtypeOfStorageClass() is the inverse", () => {
  for (const dtype of dtypes.values()) {
    const name = storageClassOf(dtype);
    if (name !== undefined) assertEquals(dtypeOfStorageClass(name), dtype);
  }
  assertEquals(dtypeOfStorageClass("BFloat16Storage"), dtypeOf("bfloat16"));
  assertEquals(dtypeOfStorageClass("QInt8Storage"), undefined);
  assertEquals(dtypeOfStorageClass("constructor"), undefined);
  assertEquals(storageClassOf(dtypeOf("float8_e5m2")), undefined);
});
