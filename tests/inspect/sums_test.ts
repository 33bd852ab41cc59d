import { assertEquals, assertThrows } from "@std/assert";
import { FormatError } from "../../lib/error.ts";
import { parseSums, sumLine, tensorSumLine } from "../../lib/inspect/sums.ts";
import { TempDir } from "../_temp.ts";

const NAMES = [
  "model.pt",
  " lead",
  "new\nline",
  "back\\slash",
  "cr\rx",
  "a\\nb",
  "uni é 🦙",
  "#hash",
  "*star",
  "a  b",
  "-dash",
];

const encoder = new TextEncoder();

/** Runs sha256sum, which all Linux systems have. */
async function sha256sum(directory: string, ...args: string[]): Promise<{ code: number; stdout: string }> {
  const { code, stdout } = await new Deno.Command("sha256sum", { args, cwd: directory }).output();
  return { code, stdout: new TextDecoder().decode(stdout) };
}

async function hex(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text))).toHex();
}

Deno.test({
  name: "sumLine() writes what sha256sum writes, and parseSums() reads it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const sums = new Map<string, string>();
    for (const name of NAMES) {
      Deno.writeTextFileSync(temp.at(name), name);
      sums.set(name, await hex(name));
    }
    const { stdout } = await sha256sum(temp.path, "--", ...NAMES);
    assertEquals(stdout, NAMES.map((name) => `${sumLine(sums.get(name)!, name)}\n`).join(""));
    assertEquals(parseSums(stdout, "SUMS"), { files: sums, tensors: new Map() });
    // As in binary mode, and with the sums in capitals.
    const binary = (await sha256sum(temp.path, "--binary", "--", ...NAMES)).stdout;
    assertEquals(parseSums(binary, "SUMS").files, sums);
    assertEquals(parseSums(stdout.replace(/[0-9a-f]{64}/g, (sum) => sum.toUpperCase()), "SUMS").files, sums);
  },
});

Deno.test({
  name: "sha256sum checks what sumLine() writes, and passes over what tensorSumLine() writes",
  ignore: Deno.build.os !== "linux",
  async fn() {
    using temp = new TempDir();
    const lines: string[] = [];
    for (const name of NAMES) {
      Deno.writeTextFileSync(temp.at(name), name);
      lines.push(sumLine(await hex(name), name), tensorSumLine("0".repeat(64), name, "a\nb#c"));
    }
    Deno.writeTextFileSync(temp.at("SUMS"), lines.map((line) => `${line}\n`).join(""));
    assertEquals(await sha256sum(temp.path, "--check", "--strict", "--quiet", "SUMS"), {
      code: 0,
      stdout: "",
    });
    Deno.writeTextFileSync(temp.at("model.pt"), "other");
    assertEquals((await sha256sum(temp.path, "--check", "--strict", "--quiet", "SUMS")).code, 1);
  },
});

Deno.test("parseSums() reads tensors' sums, and passes over comments and empty lines", () => {
  const [a, b] = ["a".repeat(64), "b".repeat(64)];
  const text = [
    "# Made by hand.",
    sumLine(a, "x.pt"),
    "",
    tensorSumLine(b, "x.pt", "w#\n"),
    tensorSumLine(b, "x#y", "z"),
    sumLine(a, "x.pt"),
  ].join("\n");
  assertEquals(parseSums(text, "SUMS"), {
    files: new Map([["x.pt", a]]),
    tensors: new Map([["x.pt#w#\n", b], ["x#y#z", b]]),
  });
});

Deno.test("parseSums() takes lines that end as in DOS", () => {
  const sum = "0".repeat(64);
  assertEquals(parseSums(`${sum}  x\r\n${sum} *y\r\n`, "SUMS").files, new Map([["x", sum], ["y", sum]]));
});

Deno.test("parseSums() refuses what is no line of sha256sum's, and two sums of one file", () => {
  const refuses = (text: string, message: string) =>
    assertEquals(assertThrows(() => parseSums(text, "SUMS"), FormatError).message, `SUMS: ${message}`);
  const none = (line: number) => `line ${line} isn't one that sha256sum or ckpt verify --sums writes`;
  const sum = "0".repeat(64);
  refuses("x", none(1));
  refuses(`${sum}  x\n${sum} x`, none(2));
  refuses(`${sum.slice(1)}  x`, none(1));
  refuses(`${sum}  `, none(1));
  refuses(`SHA256 (x) = ${sum}`, none(1));
  refuses(`${sum}  x\n${"1".repeat(64)} *x`, "line 2 gives another sum for x than a line before it");
});
