import { assertEquals } from "@std/assert";
import { python2Global } from "../../lib/pickle/_python2_names.ts";
import { Global } from "../../lib/pickle/mod.ts";
import names from "../../fixtures/pickle/python2_names.json" with { type: "json" };

Deno.test("python2Global() gives the names that CPython gives", () => {
  for (const [module, name, module2, name2] of names) {
    const global = python2Global(new Global(module!, name!));
    assertEquals([global.module, global.name], [module2, name2]);
  }
});

Deno.test("python2Global() leaves other names alone, and Python 2's own but for the module dbm", () => {
  const other = new Global("torch._utils", "_rebuild_tensor_v2");
  assertEquals(python2Global(other), other);
  for (const [, , module, name] of names) {
    const global = new Global(module!, name!);
    if (module !== "dbm") assertEquals(python2Global(global), global);
  }
});
