import { assert, assertEquals } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { writePickle } from "../../lib/pickle/mod.ts";
import { isTarHeader } from "../../lib/torch/tar_header.ts";
import { openTorchFile } from "../../lib/torch/torch_file.ts";
import { assertFailsAsync } from "../copy/_assert.ts";
import { Random } from "../copy/_random.ts";
import { python, runPython } from "../_python.ts";
import { TempDir } from "../_temp.ts";
import { tarHeader } from "./_tar.ts";
import { concat, memorySource, text } from "./_zip.ts";

/** Ways in which Python reads a checksum, or doesn't. */
const spellings: readonly ((sum: number) => Uint8Array)[] = [
  (sum) => text(`${sum.toString(8)}\0`),
  (sum) => text(` ${sum.toString(8)} `),
  (sum) => text(`\t+${sum.toString(8)}\0x`),
  (sum) => text(`0o${sum.toString(8)}`),
  (sum) => text(`0O_${sum.toString(8)}`),
  (sum) => text(sum.toString(8).split("").join("_").slice(-8)),
  (sum) => text(`${sum.toString(8)}\x1c\x1f`),
  (sum) => Uint8Array.of(0x80, 0, 0, 0, 0, 0, sum >> 8, sum),
  (sum) => Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, -sum >> 8, -sum),
  (sum) => text(`${sum.toString(8)}8`),
  (sum) => text(`-${sum.toString(8)}`),
  (sum) => text(`${sum}`),
  () => text(""),
  () => text("_1"),
];

const headers = (() => {
  const random = new Random(11);
  return Array.from({ length: 700 }, (_, i) => {
    const start = Uint8Array.from({ length: 100 }, () => random.integer(1, i % 3 === 0 ? 255 : 127));
    return tarHeader(start, spellings[i % spellings.length]);
  });
})();

const PROGRAM = `
import sys, tarfile
for line in open(sys.argv[1]):
    try:
        tarfile.TarInfo.frombuf(bytes.fromhex(line), "utf-8", "surrogateescape")
        print("yes")
    except tarfile.InvalidHeaderError as error:
        # Past the checksum, a number may be none: those are left.
        print("no" if str(error) == "bad checksum" else "either")
    except tarfile.HeaderError:
        print("no")
`;

Deno.test({
  name: "isTarHeader() takes for one what Python does (needs CKPT_PYTHON)",
  ignore: python() === undefined,
  async fn() {
    using temp = new TempDir();
    const path = temp.at("headers");
    Deno.writeTextFileSync(path, headers.map((header) => header.toHex()).join("\n"));
    const lines = (await runPython(PROGRAM, [path])).trimEnd().split("\n");
    const found = { yes: 0, no: 0, either: 0 };
    lines.forEach((line, i) => {
      found[line as keyof typeof found]++;
      if (line !== "either") assertEquals(isTarHeader(headers[i]!), line === "yes", headers[i]!.toHex());
    });
    assertEquals(lines.length, headers.length);
    assert(found.yes > 300 && found.no > 100, JSON.stringify(found));
  },
});

Deno.test("isTarHeader() needs a whole header", () => {
  const header = tarHeader(text("storages"));
  assertEquals([isTarHeader(header), isTarHeader(header.subarray(0, 511))], [true, false]);
  header[0] = 0;
  assertEquals([isTarHeader(header), isTarHeader(new Uint8Array(512))], [false, false]);
});

Deno.test("openTorchFile() refuses a legacy file that is a tar archive as well, which torch takes it for", async () => {
  const magic = writePickle(0x1950a86a20f9469cfc6cn);
  const file = concat(tarHeader(magic), new Uint8Array(1024));
  await assertFailsAsync(
    () => openTorchFile(memorySource(file)),
    FormatError,
    "file.pt: is a tar archive, as torch's first releases wrote them; load it with torch and torch.save it again",
  );
});
