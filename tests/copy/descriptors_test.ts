import { assertEquals } from "@std/assert";
import { shareDescriptors } from "../../lib/copy/descriptors.ts";

Deno.test("shareDescriptors() gives every worker what it needs, and no more of them than that allows", () => {
  const shares = (jobs: number, limit: number) => {
    const { workers, filesEach } = shareDescriptors(jobs, limit);
    return [workers, filesEach];
  };
  assertEquals(shares(1, 20_000), [1, 64]);
  assertEquals(shares(4, 20_000), [4, 64]);
  assertEquals(shares(256, 20_000), [256, 64]);
  assertEquals(shares(256, Infinity), [256, 64]);
  assertEquals(shares(4, 1024), [4, 64]);
  assertEquals(shares(24, 1024), [24, 33]);
  assertEquals(shares(256, 1024), [82, 4]);
  assertEquals(shares(24, 128), [7, 4]);
  assertEquals(shares(2, 128), [2, 36]);
  assertEquals(shares(24, 64), [2, 4]);
  assertEquals(shares(24, 10), [1, 4]);
});

Deno.test("shareDescriptors() never shares out more than the limit, but for what the last worker needs", () => {
  for (const limit of [52, 64, 100, 128, 256, 1000, 1024, 4096]) {
    for (let jobs = 1; jobs <= 256; jobs++) {
      const { workers, filesEach } = shareDescriptors(jobs, limit);
      // A worker takes 6 descriptors of its own, and Deno some 25.
      assertEquals(25 + workers * (6 + filesEach) <= limit, true, `${jobs} jobs, ${limit}`);
    }
  }
});

Deno.test({
  name: "shareDescriptors() goes by the limit of the process, or assumes a low one where it may not see it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const module = new URL("../../lib/copy/descriptors.ts", import.meta.url).href;
    const program = `import { shareDescriptors } from ${JSON.stringify(module)};
      console.log(shareDescriptors(256).workers);`;
    const url = `data:application/typescript,${encodeURIComponent(program)}`;
    const workers = async (limit: number, ...permissions: string[]) => {
      const args = ["-c", `ulimit -n ${limit}; exec "$@"`, "sh", Deno.execPath(), "run", "--no-prompt"];
      const { stdout } = await new Deno.Command("sh", { args: [...args, ...permissions, url] }).output();
      return Number(new TextDecoder().decode(stdout));
    };
    assertEquals(await workers(1024, "-A"), 82);
    assertEquals(await workers(160, "-A"), 10);
    assertEquals(await workers(1024, "--allow-read"), 7);
    assertEquals(await workers(1024, "--allow-read=/tmp"), 7);
  },
});
