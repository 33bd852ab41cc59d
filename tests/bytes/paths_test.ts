import { assertEquals } from "@std/assert";
import { basename, dirname, join, resolve } from "../../lib/deps.ts";

Deno.test("join(), dirname(), basename() and resolve() leave a URL one", () => {
  assertEquals(join("s3://b/run/", "step_1", "model.pt"), "s3://b/run/step_1/model.pt");
  assertEquals(dirname("s3://b/run/step_1"), "s3://b/run");
  assertEquals(dirname("s3://b/run"), "s3://b");
  assertEquals(dirname("s3://b"), "s3://b");
  assertEquals(basename("hf://org/name/model.pt"), "model.pt");
  assertEquals(resolve("hf://org/name/"), "hf://org/name");
  assertEquals(resolve("https://h/a", "b"), "https://h/a/b");
  assertEquals(join("a", "..", "b"), "b");
  assertEquals(dirname("a/b"), "a");
});
