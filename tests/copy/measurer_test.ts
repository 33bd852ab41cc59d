import { assertEquals } from "@std/assert";
import wabt from "npm:wabt@1.0.37";
import { createMeasurer } from "../../lib/copy/measurer.ts";

Deno.test("createMeasurer() holds the program of movement.wat, assembled", async () => {
  const text = Deno.readTextFileSync(new URL("../../lib/copy/movement.wat", import.meta.url));
  const { parseWat } = await wabt();
  const parsed = parseWat("movement.wat", text, { simd: true, sat_float_to_int: true });
  parsed.validate();
  const [program] = /(?:"[A-Za-z0-9+/=]{9,}"[\s+]*)+/.exec(String(createMeasurer))!;
  const held = [...program.matchAll(/"([^"]+)"/g)].map(([, part]) => part).join("");
  assertEquals(held, parsed.toBinary({}).buffer.toBase64());
});

Deno.test("createMeasurer() makes none where there is no WebAssembly with SIMD", () => {
  const { Module } = WebAssembly;
  try {
    WebAssembly.Module = class {
      constructor() {
        throw new WebAssembly.CompileError("no SIMD");
      }
    } as unknown as typeof Module;
    assertEquals(createMeasurer(), undefined);
  } finally {
    WebAssembly.Module = Module;
  }
});

Deno.test("createMeasurer() makes none where there is no WebAssembly", () => {
  const found = Object.getOwnPropertyDescriptor(globalThis, "WebAssembly")!;
  Reflect.deleteProperty(globalThis, "WebAssembly");
  try {
    assertEquals(createMeasurer(), undefined);
  } finally {
    Object.defineProperty(globalThis, "WebAssembly", found);
  }
});
