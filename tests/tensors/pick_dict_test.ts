import { assertEquals, assertThrows } from "@std/assert";
import { OptionError } from "../../mod.ts";
import { pickDict } from "../../lib/tensors/pick_dict.ts";
import type { PickleValue } from "../../lib/pickle/mod.ts";
import { orderedDict } from "../_torch_files.ts";

/** A dict of dicts; what is a text stands for a tensor. */
type Dicts = { [key: string]: Dicts | string | number };

function pick(dicts: Dicts, wanted?: string): string {
  const names: string[] = [];
  const valueOf = (value: Dicts[string], name: string): PickleValue => {
    if (typeof value !== "object") {
      if (typeof value === "string") names.push(name);
      return value;
    }
    return orderedDict(
      Object.entries(value).map(([key, each]) => [key, valueOf(each, name === "" ? key : `${name}.${key}`)]),
    );
  };
  const { prefix, leftOut } = pickDict(valueOf(dicts, ""), names, "in.pt", wanted);
  return [prefix, ...leftOut].join("; ");
}

const state = { "a.weight": "tensor", "b.weight": "tensor" };
const optimizer = { state: { m: "tensor" }, groups: 1 };

Deno.test("pickDict() takes the root where tensors lie there, and what it holds besides", () => {
  assertEquals(pick(state), "");
  assertEquals(pick({ ...state, step: 3 }), "; step");
  assertEquals(pick({ ...state, inner: { c: "tensor" } }), "");
  assertEquals(pick({}), "");
});

Deno.test("pickDict() goes into the one dict that all tensors are in", () => {
  assertEquals(pick({ anything: state, epoch: 3, config: { lr: 1 } }), "anything.; epoch; config");
  assertEquals(pick({ outer: { model: state, name: 1 } }), "outer.model.; outer.name");
});

Deno.test("pickDict() takes the dict called as a state dict is where several hold tensors", () => {
  assertEquals(pick({ optimizer, state_dict: state, epoch: 1 }), "state_dict.; optimizer (1 tensor); epoch");
  assertEquals(pick({ optimizer, model: state }), "model.; optimizer (1 tensor)");
  assertEquals(
    pick({ module: state, optimizer: { ...optimizer, x: "tensor" } }),
    "module.; optimizer (2 tensors)",
  );
  // Nothing says which one is meant: all are.
  assertEquals(pick({ ema: state, weights: state, epoch: 1 }), "; epoch");
});

Deno.test("pickDict() takes the dict that is wanted", () => {
  const dicts = { optimizer, model: state, epoch: 1 };
  assertEquals(
    pick(dicts, "optimizer.state"),
    "optimizer.state.; model (2 tensors); epoch; optimizer.groups",
  );
  assertEquals(pick(dicts, ""), "; epoch");
  assertThrows(
    () => pick(dicts, "ema"),
    OptionError,
    'in.pt: holds no tensors under "ema"; its keys are optimizer, model, epoch',
  );
  assertThrows(() => pick(dicts, "epoch"), OptionError, "no tensors under");
  assertThrows(() => pick(dicts, "model.a"), OptionError, "no tensors under");
});
