import { assertEquals } from "@std/assert";
import { TempDir } from "../_temp.ts";
import { Moto, remotePython } from "./servers/moto.ts";

Deno.test({
  name: "Moto gives what boto3 put there, and tells of uploads that were begun",
  ignore: remotePython() === undefined,
  fn: async () => {
    await using moto = await Moto.start();
    using temp = new TempDir();
    await Deno.mkdir(temp.at("in", "deep"), { recursive: true });
    await Deno.writeTextFile(temp.at("in", "deep", "a b.txt"), "text");
    await moto.makeBucket("team");
    await moto.upload(temp.at("in"), "team", "run/1");
    assertEquals(await moto.list("team"), [{ key: "run/1/deep/a b.txt", size: 4 }]);
    await moto.download("team", "run/1", temp.at("out"));
    assertEquals(await Deno.readTextFile(temp.at("out", "deep", "a b.txt")), "text");
    await moto.python(`s3.create_multipart_upload(Bucket="team", Key="open")`);
    assertEquals(await moto.openUploads("team"), ["open"]);
  },
});
