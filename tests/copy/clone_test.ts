import { assertEquals } from "@std/assert";
import { canClone, cloneFile } from "../../lib/copy/clone.ts";
import { canMount, LoopMount } from "./_mount.ts";
import { TempDirectory } from "./_temp.ts";

/** A RAM disk, where there is one. */
const ramDisk = Deno.build.os === "linux" ? "/dev/shm" : undefined;

Deno.test({
  name: "canClone() is false on a RAM disk, and between devices",
  ignore: ramDisk === undefined,
  fn() {
    using memory = new TempDirectory(ramDisk);
    using disk = new TempDirectory();
    const inMemory = memory.write("f", "x");
    assertEquals(canClone(inMemory, memory.path), false);
    assertEquals(canClone(inMemory, disk.path), false);
    assertEquals(memory.list(), ["f"]);
    assertEquals(disk.list(), []);
  },
});

/** Lets `Deno.copyFileSync` make copies without blocks, as where files are cloned, until the end of its scope (`using`). */
class CloningEverywhere implements Disposable {
  readonly #copyFileSync = Deno.copyFileSync;

  constructor() {
    Deno.copyFileSync = (from, to) => {
      Deno.createSync(to).close();
      Deno.truncateSync(String(to), Deno.statSync(from).size);
    };
  }

  [Symbol.dispose](): void {
    Deno.copyFileSync = this.#copyFileSync;
  }
}

Deno.test({
  name: "canClone() is false between devices, though the second one clones",
  ignore: ramDisk === undefined,
  fn() {
    using memory = new TempDirectory(ramDisk);
    using disk = new TempDirectory();
    using _cloning = new CloningEverywhere();
    const inMemory = memory.write("f", "x");
    assertEquals(canClone(inMemory, disk.path), false);
    assertEquals(canClone(disk.write("f", "x"), disk.path), true);
  },
});

Deno.test("canClone() is false on any doubt", () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "x");
  assertEquals(canClone(temp.join("missing"), temp.path), false);
  assertEquals(canClone(path, temp.join("missing")), false);
  assertEquals(canClone(path, path), false);
  assertEquals(temp.list(), ["f"]);
});

for (const [type, expected] of [["ext4", false], ["xfs", true], ["btrfs", true]] as const) {
  Deno.test({
    name: `canClone() is ${expected} on ${type} (needs root and mkfs.${type})`,
    ignore: !canMount(type),
    fn() {
      using mount = new LoopMount(type);
      using temp = new TempDirectory(mount.path);
      const path = temp.write("f", "x");
      Deno.mkdirSync(temp.join("below"));
      assertEquals(canClone(path, temp.path), expected);
      assertEquals(canClone(path, temp.join("below")), expected);
      assertEquals(temp.list(), ["below/", "f"]);
      assertEquals(temp.list("below"), []);
    },
  });
}

Deno.test("cloneFile() gives the same bytes", async () => {
  using temp = new TempDirectory();
  const path = temp.write("f", "content");
  const clone = temp.write("clone", "what was here before and is longer");
  await cloneFile(path, clone);
  assertEquals(Deno.readTextFileSync(clone), "content");
});

Deno.test({
  name: "cloneFile() gives the clone of a read-only file the mode of a new file",
  ignore: Deno.build.os === "windows",
  async fn() {
    using temp = new TempDirectory();
    const path = temp.write("f", "content");
    const modeOf = (file: string) => Deno.statSync(file).mode! & 0o7777;
    Deno.chmodSync(path, 0o444);
    await cloneFile(path, temp.join("clone"));
    assertEquals(modeOf(temp.join("clone")), modeOf(temp.write("new", "")));
    assertEquals(modeOf(path), 0o444);
    Deno.writeTextFileSync(temp.join("clone"), "more", { append: true });
    assertEquals(Deno.readTextFileSync(path), "content");
  },
});

Deno.test({
  name: "cloneFile() of more than is free moves nothing on xfs (needs root and mkfs.xfs)",
  ignore: !canMount("xfs"),
  async fn() {
    using mount = new LoopMount("xfs"); // 320 MB are free.
    const source = `${mount.path}/source`;
    const bytes = 250e6;
    assertEquals(
      new Deno.Command("fallocate", { args: ["-l", `${bytes}`, source] }).outputSync().success,
      true,
    );
    await cloneFile(source, `${mount.path}/clone`);
    assertEquals(Deno.statSync(`${mount.path}/clone`).size, bytes);
  },
});
