import { assertEquals } from "@std/assert";
import { FileError } from "../../lib/error.ts";
import { relativePath } from "../../lib/inspect/relative_path.ts";
import { toUrl } from "../../lib/inspect/to_url.ts";
import { findWeightFiles } from "../../lib/inspect/weight_files.ts";
import { assertFails } from "../copy/_assert.ts";
import { TempDir } from "../_temp.ts";

Deno.test("toUrl() knows addresses of web servers from paths", () => {
  assertEquals(toUrl("https://example.org/a.pt?x#y")?.href, "https://example.org/a.pt?x#y");
  assertEquals(toUrl("HTTP://example.org/a")?.href, "http://example.org/a");
  assertEquals(toUrl(new URL("http://example.org/a"))?.href, "http://example.org/a");
  for (const path of ["a.pt", "http:/a", "https", "./https://a", "file:///a", "ftp://a/b", "http://[", ""]) {
    assertEquals(toUrl(path), undefined, path);
  }
  assertEquals(toUrl(new URL("file:///a")), undefined);
});

Deno.test("relativePath() is the path below a directory, where it is below it", () => {
  assertEquals(relativePath("/a/b", "/a/b/c/d.pt"), "c/d.pt");
  assertEquals(relativePath("/a/b/", "/a/b/c.pt"), "c.pt");
  // A backslash is a letter like any other, but on Windows.
  assertEquals(relativePath("/a/b", "/a/b/c\\d.pt"), Deno.build.os === "windows" ? "c/d.pt" : "c\\d.pt");
  assertEquals(relativePath("a", "a/x.pt"), "x.pt");
  assertEquals(relativePath("a/b", "a/bc/x.pt"), "a/bc/x.pt");
  assertEquals(relativePath("/a", "/b/x.pt"), "/b/x.pt");
  assertEquals(relativePath("/", "/b/x.pt"), "b/x.pt");
  assertEquals(relativePath("a/x.pt", "a/x.pt"), "a/x.pt");
});

Deno.test("findWeightFiles() finds files by their endings, as deep as it is told", () => {
  using temp = new TempDir();
  Deno.mkdirSync(temp.at("step_1", "model", "pp_00"), { recursive: true });
  Deno.mkdirSync(temp.at("out.partial"));
  const names = [
    "b.pth",
    "a.pt",
    "c.safetensors",
    "d.bin",
    "e.ckpt",
    "f.txt",
    "pt",
    "step_1/g.pt",
    "step_1/model/pp_00/h.pt",
    "out.partial/i.pt",
  ];
  for (const name of names) Deno.writeTextFileSync(temp.at(...name.split("/")), "");
  Deno.mkdirSync(temp.at("directory.pt"));
  if (Deno.build.os !== "windows") {
    Deno.symlinkSync(temp.at("a.pt"), temp.at("link.pt"));
    Deno.symlinkSync(temp.at("nothing"), temp.at("broken.pt"));
    Deno.symlinkSync(temp.path, temp.at("loop"));
  }
  const found = (isDeep?: boolean) =>
    findWeightFiles(temp.path, isDeep).map((path) => relativePath(temp.path, path));
  const here = [
    "a.pt",
    "b.pth",
    "c.safetensors",
    "d.bin",
    "e.ckpt",
    ...(Deno.build.os === "windows" ? [] : ["link.pt"]),
  ];
  assertEquals(found(), here);
  assertEquals(found(true), [...here, "step_1/g.pt", "step_1/model/pp_00/h.pt"]);
});

Deno.test("findWeightFiles() refuses a directory that isn't there", () => {
  assertFails(
    () => findWeightFiles("/nowhere/at/all"),
    FileError,
    "/nowhere/at/all: no such file or directory; check the path",
  );
});
