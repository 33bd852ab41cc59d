/**
 * Pages in a real browser: they show the numbers that JSON has, answer to mouse and keyboard, load nothing, and run
 * nothing that a file says.
 */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import axe from "npm:axe-core@4.11.0";
import { join } from "../../lib/deps.ts";
import { compareCheckpoints } from "../../lib/inspect/compare.ts";
import { inspect, type Inspection } from "../../lib/inspect/inspect.ts";
import type { TensorMovement } from "../../lib/inspect/movement.ts";
import type { TensorStatistics } from "../../lib/inspect/statistics.ts";
import { visible } from "../../lib/report/html.ts";
import { renderReport } from "../../lib/report/report.ts";
import { ckpt } from "../_ckpt.ts";
import { editGguf, makeGguf, text } from "../gguf/_model.ts";
import { TempDir } from "../_temp.ts";
import { CHECKPOINTS } from "../_torch_files.ts";
import { browserTest, type Page, readTable } from "./_browser.ts";
import { stackOf, writeSafetensors } from "./_files.ts";

const LAYERS = 5;

/** Writes a page about the statistics of a file, and gives what --json has of them. */
async function statisticsPage(input: string, path: string): Promise<TensorStatistics[]> {
  const { code, stdout, stderr } = await ckpt(["stats", "--json", "--html", path, input]);
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout).tensors;
}

browserTest("a page about a checkpoint has the numbers of --json, and asks for nothing", async (browser) => {
  using temp = new TempDir();
  const input = join(CHECKPOINTS, "fairseq2-0.3.0", "llama3_bf16_tp2");
  const { code, stdout, stderr } = await ckpt(["inspect", "--json", "--html", temp.at("page.html"), input]);
  assertEquals(code, 0, stderr);
  const json = JSON.parse(stdout) as Inspection;
  const { page, trouble } = await browser.open(temp.at("page.html"));
  const { heads, rows } = await readTable(page);
  assertEquals(heads, ["Name", "Dtype", "Shape", "Numbers", "Bytes"]);
  assertEquals(
    rows,
    json.tensors.map(({ name, dtype, shape, bytes }) => [
      name,
      dtype,
      `[${shape.join(", ")}]`,
      shape.reduce((product, size) => product * size, 1),
      bytes,
    ]),
  );
  const facts = await page.locator("dl.facts").innerText();
  assert(facts.includes("LLaMA model of fairseq2 0.2-0.3") && facts.includes("34080 parameters"), facts);
  // The tiles of the map are as large as the tensors, and are these.
  const areas = await page.evaluate(() =>
    [...document.querySelectorAll<SVGRectElement>("rect[data-row]")].map((tile) =>
      [Number(tile.dataset.row), tile.width.baseVal.value * tile.height.baseVal.value] as const
    )
  );
  assertEquals(areas.length, json.tensors.length);
  const [first, ...others] = areas.map(([row, area]) => area / json.tensors[row]!.bytes);
  // Names of layers take some room from the tensors in them.
  for (const ratio of others) assert(ratio > 0.7 * first! && ratio < 1.4 * first!, `${ratio} ${first}`);
  assertEquals(trouble, []);
});

browserTest("the table sorts and filters by mouse and keyboard", async (browser) => {
  using temp = new TempDir();
  writeSafetensors(temp.at("a.safetensors"), stackOf(12));
  const found = await statisticsPage(temp.at("a.safetensors"), temp.at("page.html"));
  const { page, trouble } = await browser.open(temp.at("page.html"));
  const names = async () => (await readTable(page)).rows.map(([name]) => name);
  const byStd = found.toSorted((a, b) => b.std! - a.std!).map(({ name }) => name);

  await page.getByRole("button", { name: "Std" }).click();
  assertEquals((await names()).slice(0, 12), byStd.slice(0, 12));
  assertEquals(await page.locator("th", { hasText: "Std" }).getAttribute("aria-sort"), "descending");
  await page.getByRole("button", { name: "Std" }).click();
  assertEquals((await names()).at(-1), byStd[0]);

  await page.getByRole("button", { name: "Name" }).focus();
  await page.keyboard.press("Enter");
  assertEquals((await names()).slice(0, 8), [
    "embed.weight",
    ...["attention.q", "feed_forward.up", "norm"].map((kind) => `layers.0.${kind}.weight`),
    ...["attention.q", "feed_forward.up", "norm"].map((kind) => `layers.1.${kind}.weight`),
    "layers.2.attention.q.weight",
  ]);
  assertEquals(await page.locator("th[aria-sort]").count(), 1);

  await page.getByLabel("Filter").focus();
  await page.keyboard.type("ATTENTION .1");
  assertEquals(
    await names(),
    ["layers.1", "layers.10", "layers.11"].map((layer) => `${layer}.attention.q.weight`),
  );
  assertEquals(await page.locator("#tools output").innerText(), `3 of ${found.length}`);
  await page.keyboard.press("Control+A");
  await page.keyboard.press("Delete");
  assertEquals((await names()).length, found.length);
  assertEquals(trouble, []);
});

browserTest(
  "a page shows statistics: all numbers, maps, depths, and a histogram of what is pointed at",
  async (browser) => {
    using temp = new TempDir();
    const tensors = stackOf(LAYERS);
    tensors[5]!.values[9] = NaN;
    tensors[5]!.values[3] = -Infinity;
    tensors[6]!.values.fill(0);
    tensors[7]!.values.fill(0, 8, 16);
    writeSafetensors(temp.at("a.safetensors"), tensors);
    const found = await statisticsPage(temp.at("a.safetensors"), temp.at("page.html"));
    const { page, trouble } = await browser.open(temp.at("page.html"));

    const { heads, rows } = await readTable(page);
    const columns: [string, (tensor: TensorStatistics) => unknown][] = [
      ["Name", ({ name }) => name],
      ["Numbers", ({ count }) => count],
      ["Min", ({ min }) => min],
      ["Max", ({ max }) => max],
      ["Mean", ({ mean }) => mean],
      ["Std", ({ std }) => std],
      ["L2", ({ l2 }) => l2],
      ["|x| max", ({ absMax }) => absMax],
      ["Zeros", ({ zeros }) => zeros],
      ["Subnormals", ({ subnormals }) => subnormals],
      ["Zero rows", ({ zeroRows }) => zeroRows],
      ["NaN", ({ nan }) => nan],
      ["Inf", ({ inf }) => inf],
      ["First NaN", ({ firstNan }) => firstNan === null ? "" : `[${firstNan.join(", ")}]`],
      ["First Inf", ({ firstInf }) => firstInf === null ? "" : `[${firstInf.join(", ")}]`],
    ];
    for (const [title, of] of columns) {
      const at = heads.indexOf(title);
      assert(at >= 0, `${title} in ${heads}`);
      assertEquals(
        rows.map((row) => row[at]),
        found.map((tensor) => JSON.parse(JSON.stringify(of(tensor)))),
        title,
      );
    }

    assertEquals(await page.locator("ul.out").first().locator("li").allInnerTexts(), [
      `${found[5]!.name} 1 NaN, at [1, 1]; 1 Inf, at [0, 3]`,
      `${found[6]!.name} all zero`,
      `${found[7]!.name} 1 row all zero`,
    ]);

    // One map at a time: a cell for each tensor, as dark as its number is large.
    const maps = page.locator("figure.map");
    assertEquals([await maps.count(), await page.locator("figure.map:visible").count()], [4, 1]);
    const fills = await maps.first().evaluate((map) =>
      [...map.querySelectorAll<SVGElement>("rect[data-row]")].map((cell) =>
        [Number(cell.dataset.row), cell.getAttribute("fill")!] as const
      )
    );
    assertEquals(fills.map(([row]) => row).sort((a, b) => a - b), found.map((_, i) => i));
    const shades = fills.map(([row, fill]) => ({
      std: found[row]!.std!,
      shade: fill === "var(--zero)" ? -1 : Number(/h(\d)/.exec(fill)![1]),
    }))
      .sort((a, b) => a.std - b.std).map(({ shade }) => shade);
    assertEquals(shades, shades.toSorted());
    assertEquals([...new Set(shades)].slice(0, 2), [-1, 0]);
    assertEquals(shades.at(-1), 8);
    // From one colour to the next it is as many times as much.
    const limits = await maps.first().locator(".steps li").allInnerTexts();
    const [smallest, largest] = [
      Math.min(...found.flatMap(({ std }) => std! > 0 ? std! : [])),
      Math.max(...found.map(({ std }) => std!)),
    ];
    assertEquals([limits.length, limits[0]], [10, "0"]);
    limits.slice(2).forEach((limit, i) =>
      assertAlmostEquals(Number(limit) / (smallest * (largest / smallest) ** ((i + 1) / 9)), 1, 0.01)
    );
    await page.getByRole("radio", { name: "NaN and infinities" }).check();
    assert(await maps.nth(3).isVisible() && !await maps.first().isVisible());

    // Norms over the layers, a chart for each kind.
    assertEquals(await page.locator(".depth figcaption").allInnerTexts(), [
      "attention.q",
      "feed_forward.up",
      "norm",
    ]);
    assertEquals(await page.locator(".depth circle[data-row]").count(), 3 * LAYERS);

    // Pointing at a cell, in a map or in a chart, shows the tensor and its histogram.
    const detail = page.locator("#detail");
    assert(!await detail.isVisible());
    await page.getByRole("radio", { name: "Standard deviation" }).check();
    await maps.first().locator('rect[data-row="4"]').hover();
    assertEquals(await detail.locator("h2").innerText(), found[4]!.name);
    assert((await detail.innerText()).includes("NaN"));
    const outlines = detail.locator("path[data-of]:visible");
    assertEquals(await outlines.evaluateAll((paths) => paths.map((path) => path.getAttribute("data-of"))), [
      "4",
      "4",
    ]);
    // An outline has a step for each exponent, and is as high as the share there is.
    const heights = await outlines.first().evaluate((path) =>
      [...path.getAttribute("d")!.matchAll(/M[^,]+,([\d.]+)|V([\d.]+)/g)].map(([, start, to]) =>
        Number(start ?? to)
      )
    );
    const [zero] = heights;
    const { positive } = found[4]!.histogram!;
    const most = Math.max(...positive);
    const unit = (zero! - Math.min(...heights)) / Math.sqrt(most);
    const steps = [0, ...positive, 0].filter((count, i, all) => count !== all[i - 1]);
    assertEquals(heights.length, steps.length);
    heights.forEach((height, i) => assertAlmostEquals(zero! - height, unit * Math.sqrt(steps[i]!), 0.2));
    await page.keyboard.press("Escape");
    assert(!await detail.isVisible());
    assertEquals(trouble, []);
  },
);

browserTest("charts and rows are walked through with the keyboard", async (browser) => {
  using temp = new TempDir();
  writeSafetensors(temp.at("a.safetensors"), stackOf(LAYERS));
  const found = await statisticsPage(temp.at("a.safetensors"), temp.at("page.html"));
  const { page, trouble } = await browser.open(temp.at("page.html"));
  const shown = () => page.locator("#detail h2").innerText();
  await page.locator("figure.map svg").first().focus();
  await page.keyboard.press("ArrowRight");
  assertEquals(await shown(), "layers.0.attention.q.weight");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assertEquals(await shown(), "layers.2.attention.q.weight");
  await page.keyboard.press("ArrowDown");
  assertEquals(await shown(), "layers.2.feed_forward.up.weight");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowUp");
  assertEquals(await shown(), "layers.1.attention.q.weight");
  // Enter leads to the row, and from there arrows lead on.
  await page.keyboard.press("Enter");
  assertEquals(
    await page.evaluate(() => document.activeElement!.querySelector("th")!.textContent),
    await shown(),
  );
  await page.keyboard.press("ArrowDown");
  assertEquals(await shown(), found[5]!.name);
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowUp");
  assertEquals(await shown(), found[3]!.name);
  // Each chart is reached with Tab alone, and has words for those who can't see it.
  const charts = await page.evaluate(() =>
    [...document.querySelectorAll("main svg")].map((chart) => [
      (chart as SVGElement).tabIndex,
      chart.getAttribute("role"),
      chart.getAttribute("aria-label"),
    ])
  );
  assertEquals(charts.length, 4 + 3 + 1);
  for (const [tabIndex, role, label] of charts) {
    assertEquals([tabIndex, role], [0, "img"]);
    assert(String(label).length > 40, String(label));
  }
  assertEquals(trouble, []);
});

browserTest("a page about two checkpoints shows what moved", async (browser) => {
  using temp = new TempDir();
  const [a, b] = [temp.at("a.safetensors"), temp.at("b.safetensors")];
  writeSafetensors(a, [...stackOf(LAYERS), { name: "only_a", shape: [1], values: [1] }]);
  writeSafetensors(b, stackOf(LAYERS, 0.01));
  const { code, stdout, stderr } = await ckpt([
    "compare",
    "--stats",
    "--json",
    "--html",
    temp.at("page.html"),
    a,
    b,
  ]);
  assertEquals(code, 1, stderr);
  const movements = JSON.parse(stdout).tensors as TensorMovement[];
  const { page, trouble } = await browser.open(temp.at("page.html"));
  const { heads, rows } = await readTable(page);
  for (
    const [title, key] of [
      ["Name", "name"],
      ["|Δ| max", "maxAbsDiff"],
      ["Relative L2", "relativeL2"],
      ["Cosine", "cosine"],
      ["Equal", "equalShare"],
      ["‖b − a‖", "l2Diff"],
    ] as const
  ) {
    assertEquals(
      rows.map((row) => row[heads.indexOf(title)]),
      movements.map((movement) => movement[key]),
      title,
    );
  }
  const moved = movements.filter(({ relativeL2 }) => relativeL2! > 0).sort((a, b) =>
    b.relativeL2! - a.relativeL2!
  );
  assertEquals(moved.length, LAYERS - 1);
  assertEquals(
    await page.locator("ul.out").first().locator("a").allInnerTexts(),
    moved.map(({ name }) => name),
  );
  assert((await page.locator("main").innerText()).includes("only_a: only in a"));
  assertEquals(await page.locator("figure.map").count(), 4);
  // A name in the list leads to its row.
  await page.locator("ul.out a").first().click();
  assertEquals(await page.locator("#detail h2").innerText(), moved[0]!.name);
  assertEquals(trouble, []);
});

/** Names that try to become more than text. */
const HOSTILE = [
  "<script>window.ran = 1</script>",
  "</script><script>window.ran = 1</script>",
  "</table></section></main><img src=x onerror='window.ran = 1'>",
  '"><svg onload="window.ran = 1">.weight',
  "' onmouseover='window.ran = 1' x='",
  "<!-- <script>",
  "]]></style><style>* { display: none }</style>",
  "layers.0.<b>bold</b>&amp;&lt;.weight",
  "layers.1.\u202egnp.exe\u2066.weight",
  "layers.2.\u0000\u0007\u001b[31m\u2028\r\n.weight",
  "layers.3.${window.ran = 1}`\\.weight",
  "javascript:window.ran=1",
  "constructor",
  "__proto__",
  "layers.4." + "x".repeat(65536) + ".weight",
  "layers.5." + "a.".repeat(20000),
  ".".repeat(300),
  "layers.6.\ud800.weight",
  "",
];

browserTest("names do nothing but show, whatever is in them", async (browser) => {
  using temp = new TempDir();
  // JSON has no half of a surrogate pair in it, and each name is there once.
  const names = HOSTILE.filter((name) => name !== "__proto__").map((name) => name.toWellFormed());
  const tensors = names.map((name, i) => ({ name, shape: [2, 4], values: Array<number>(8).fill(i + 1) }));
  writeSafetensors(temp.at("a.safetensors"), tensors);
  const directory = temp.at(`<img src=x onerror="window.ran=1">'"&`);
  Deno.mkdirSync(directory);
  Deno.renameSync(temp.at("a.safetensors"), join(directory, "a.safetensors"));
  const found = await statisticsPage(join(directory, "a.safetensors"), temp.at("stats.html"));
  const { code, stderr } = await ckpt(["inspect", "--html", temp.at("inspect.html"), directory]);
  assertEquals(code, 0, stderr);
  const same = await compareCheckpoints(directory, directory, { statistics: true });
  Deno.writeTextFileSync(
    temp.at("compare.html"),
    await renderReport({
      comparison: {
        ...same,
        notes: names,
        differences: names.map((name) => ({ name, what: "missing", a: null, b: null, tolerated: false })),
      },
    }),
  );
  const shown = found.map(({ name }) => visible(name));
  for (const file of ["inspect.html", "stats.html", "compare.html"]) {
    const html = Deno.readTextFileSync(temp.at(file));
    assert(html.length < 600_000, `${file}: ${html.length}`);
    // deno-lint-ignore no-control-regex -- These are what must not be there.
    assertEquals(/[\u0000-\u0009\u000b-\u001f\u2028\u202a-\u202e\u2066-\u2069]/.exec(html), null, file);
    const { page, trouble } = await browser.open(temp.at(file));
    const { rows } = await readTable(page);
    assertEquals(rows.map(([name]) => name).sort(), shown.toSorted(), file);
    await page.evaluate(() =>
      document.querySelectorAll("#tensors tbody tr, svg [data-row]").forEach((element, i) =>
        element.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, clientX: i }))
      )
    );
    assert(await page.locator("#detail").isVisible(), file);
    assertEquals(await page.evaluate(() => "ran" in globalThis), false, file);
    // Nothing is there but what every page has.
    assertEquals(
      await page.evaluate(() => [
        document.querySelectorAll("script").length,
        document.querySelectorAll("style").length,
        document.querySelectorAll("img, iframe, object, embed, link, base, form, audio, video").length,
        document.querySelectorAll("main").length,
        [...document.querySelectorAll("*")].filter((element) =>
          [...element.attributes].some(({ name }) => name.startsWith("on") || name === "style")
        ).length,
      ]),
      [1, 1, 0, 1, 0],
      file,
    );
    assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), 1200, file);
    assertEquals(trouble, [], file);
  }
});

browserTest("a GGUF file's metadata do nothing but show", async (browser) => {
  using temp = new TempDir();
  const path = await makeGguf(temp.at("gguf"));
  await editGguf(
    path,
    ({ metadata }) => HOSTILE.forEach((value, i) => metadata.set(`x.${i}`, text(value.toWellFormed()))),
  );
  const { code, stderr } = await ckpt(["inspect", "--html", temp.at("page.html"), path]);
  assertEquals(code, 0, stderr);
  const { page, trouble } = await browser.open(temp.at("page.html"));
  await page.getByText(/^\d+ values$/).click();
  const values = await page.locator("td.text").allTextContents();
  for (const value of HOSTILE) assert(values.includes(visible(value.toWellFormed())), value.slice(0, 80));
  assertEquals(await page.evaluate(() => "ran" in globalThis), false);
  assertEquals(trouble, []);
});

browserTest("a page loads nothing and runs nothing, even if something got into it", async (browser) => {
  using temp = new TempDir();
  writeSafetensors(temp.at("a.safetensors"), stackOf(2));
  const html = await renderReport({ title: "x", inspection: await inspect(temp.at("a.safetensors")) });
  const into = (what: string) => html.replace("<main>", `<main>${what}`);
  for (
    const what of [
      "<script>window.ran = 1</script>",
      "<img src='https://example.org/x.png' onerror='window.ran = 1'>",
      "<link rel='stylesheet' href='https://example.org/x.css'>",
      "<iframe src='data:text/html,<script>parent.ran = 1</script>'></iframe>",
      "<script src='https://example.org/x.js'></script>",
      "<base href='https://example.org/'>",
      "<p style='background: url(https://example.org/x.png)'>x</p>",
    ]
  ) {
    Deno.writeTextFileSync(temp.at("page.html"), into(what));
    const { page, trouble } = await browser.open(temp.at("page.html"));
    await page.waitForTimeout(50);
    assertEquals(await page.evaluate(() => "ran" in globalThis), false, what);
    assert(trouble.some((line) => /Content Security Policy/.test(line)), `${what}: ${trouble}`);
    assertEquals(trouble.filter((line) => line.startsWith("request:")), [], what);
  }
  assertEquals(
    await (await browser.open(temp.at("page.html"))).page.evaluate(async () => {
      try {
        await fetch("https://example.org/");
        return "fetched";
      } catch {
        return "refused";
      }
    }),
    "refused",
  );
});

browserTest("a page is whole without a script, and on paper", async (browser) => {
  using temp = new TempDir();
  writeSafetensors(temp.at("a.safetensors"), stackOf(LAYERS));
  const found = await statisticsPage(temp.at("a.safetensors"), temp.at("page.html"));
  const visibleCounts = async (page: Page) => [
    await page.locator("#tensors tbody tr:visible").count(),
    await page.locator("figure.map:visible").count(),
    await page.locator("#tools:visible, #maps:visible, #detail:visible").count(),
  ];
  const plain = await browser.open(temp.at("page.html"), { javaScriptEnabled: false });
  assertEquals(await visibleCounts(plain.page), [found.length, 4, 0]);
  const { page, trouble } = await browser.open(temp.at("page.html"), { colorScheme: "dark" });
  await page.locator("#tensors tbody tr").first().hover();
  await page.emulateMedia({ media: "print" });
  assertEquals(await visibleCounts(page), [found.length, 4, 0]);
  // Dark ink on white paper, and the whole table.
  assertEquals(
    await page.evaluate(() => {
      const list = document.querySelector(".list")!;
      return [getComputedStyle(document.body).color, list.scrollHeight === list.clientHeight];
    }),
    ["rgb(28, 32, 36)", true],
  );
  assertEquals([plain.trouble, trouble], [[], []]);
});

browserTest("a page is readable in both themes and on a small screen", async (browser) => {
  using temp = new TempDir();
  writeSafetensors(temp.at("a.safetensors"), stackOf(12));
  writeSafetensors(temp.at("b.safetensors"), stackOf(12, 0.1));
  await statisticsPage(temp.at("a.safetensors"), temp.at("stats.html"));
  const [a, b] = [temp.at("a.safetensors"), temp.at("b.safetensors")];
  const comparison = await compareCheckpoints(a, b, { statistics: true });
  Deno.writeTextFileSync(temp.at("compare.html"), await renderReport({ comparison }));
  Deno.writeTextFileSync(
    temp.at("inspect.html"),
    await renderReport({ title: a, inspection: await inspect(a) }),
  );
  const backgrounds = new Set<string>();
  for (const file of ["inspect.html", "stats.html", "compare.html"]) {
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1200, 400]) {
        const what = `${file}, ${colorScheme}, ${width}`;
        const { page, trouble } = await browser.open(temp.at(file), {
          colorScheme,
          viewport: { width, height: 800 },
        });
        await page.locator("#tensors tbody tr").nth(2).hover();
        backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
        // Nothing is wider than the screen, but for what scrolls by itself.
        assertEquals(await page.evaluate(() => document.documentElement.scrollWidth), width, what);
        // axe-core's rules, contrast among them. DevTools may run a script where the page may not.
        const violations = await page.evaluate(`${axe.source}; axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).slice(0, 3).join(" ")))`);
        assertEquals(violations, [], what);
        assertEquals(trouble, [], what);
      }
    }
  }
  assertEquals(backgrounds.size, 2);
});
