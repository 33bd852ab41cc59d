import { join } from "../lib/deps.ts";
import { run } from "./_run.ts";

const ROOT = join(import.meta.dirname!, "..");

/** An npm package, as `deno info` tells of it. */
interface Package {
  readonly name: string;
  readonly version: string;
  readonly localPath: string;
}

/** The licences of all npm packages that the program has in it, from the packages themselves. */
export async function thirdPartyLicences(): Promise<string> {
  const { npmPackages } = JSON.parse(await run([Deno.execPath(), "info", "--json", "cli.ts"], ROOT));
  const packages = Object.values<Package>(npmPackages).sort((a, b) => a.name < b.name ? -1 : 1);
  return [
    "What ckpt has in it besides its own code (LICENSE), each part under its own licence:\n",
    ...packages.map(({ name, version, localPath }) =>
      `${"-".repeat(80)}\n${name} ${version}\n\n${licence(localPath)}`
    ),
  ].join("\n");
}

/** The texts of a package's licence, or where it has none its name for it and the authors. */
function licence(directory: string): string {
  const files = [...Deno.readDirSync(directory)].map(({ name }) => name)
    .filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name)).sort();
  if (files.length > 0) {
    return files.map((name) => Deno.readTextFileSync(join(directory, name)).trim()).join("\n\n") + "\n";
  }
  const { license, author, repository } = JSON.parse(Deno.readTextFileSync(join(directory, "package.json")));
  return `License: ${license}\nAuthor: ${author?.name ?? author ?? repository?.url ?? "unknown"}\n`;
}
