import { assertEquals } from "@std/assert";
import { allowedGlobals, isAllowedGlobal } from "../../lib/torch/allowed_globals.ts";
import { readJson } from "./_fixtures.ts";

const golden = readJson<string[]>("allowed_globals.json");

Deno.test("isAllowedGlobal() allows exactly what torch 2.13 does", () => {
  assertEquals([...allowedGlobals].sort(), golden.toSorted());
  for (const full of golden) {
    const dot = full.lastIndexOf(".");
    assertEquals(isAllowedGlobal(full.slice(0, dot), full.slice(dot + 1)), true, full);
  }
});

Deno.test("isAllowedGlobal() knows Python 2's names of builtins", () => {
  assertEquals(isAllowedGlobal("__builtin__", "set"), true);
  assertEquals(isAllowedGlobal("__builtin__", "bytearray"), true);
  assertEquals(isAllowedGlobal("__builtin__", "eval"), false);
});

Deno.test("isAllowedGlobal() refuses everything else", () => {
  for (
    const [module, name] of [
      ["os", "system"],
      ["builtins", "eval"],
      ["builtins", "getattr"],
      ["torch", "load"],
      ["torch._utils", "_rebuild_tensor_v4"],
      ["torch._utils._rebuild_tensor_v2", ""],
      ["", "torch.Size"],
      ["collections.OrderedDict", "__reduce__"],
      ["__proto__", "constructor"],
    ] as const
  ) {
    assertEquals(isAllowedGlobal(module, name), false, `${module}.${name}`);
  }
});
