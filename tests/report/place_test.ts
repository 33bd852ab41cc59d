import { assertEquals } from "@std/assert";
import { kindLabels, placeOf } from "../../lib/report/place.ts";

Deno.test("placeOf() finds the layer, the kind and the part by the first number of a name", () => {
  assertEquals(placeOf("decoder.layers.7.ffn.gate_proj.weight"), {
    kind: "decoder.layers.*.ffn.gate_proj.weight",
    layer: 7,
    part: "ffn",
  });
  assertEquals(placeOf("blk.12.attn_q.weight"), { kind: "blk.*.attn_q.weight", layer: 12, part: "attn_q" });
  assertEquals(placeOf("model.embed_tokens.weight"), {
    kind: "model.embed_tokens.weight",
    layer: undefined,
    part: "model.embed_tokens",
  });
  assertEquals(placeOf("layers.3.experts.5.w1").kind, "layers.*.experts.5.w1");
  assertEquals(placeOf("optimizer.0"), { kind: "optimizer.0", layer: undefined, part: "optimizer.0" });
  assertEquals(placeOf(""), { kind: "", layer: undefined, part: "" });
});

Deno.test("kindLabels() leaves what all layers have in front, and .weight", () => {
  const labels = (...kinds: string[]) => [...kindLabels(kinds).values()];
  assertEquals(labels("a.layers.*.ffn.weight", "a.layers.*.ffn.bias", "a.norm.weight"), [
    "ffn",
    "ffn.bias",
    "a.norm",
  ]);
  // Of two stacks it says which.
  assertEquals(labels("encoder.*.ffn.weight", "decoder.*.ffn.weight"), ["encoder.*.ffn", "decoder.*.ffn"]);
  // Two labels are never the same.
  assertEquals(labels("a.*.x", "a.*.x.weight"), ["a.*.x", "a.*.x.weight"]);
});
