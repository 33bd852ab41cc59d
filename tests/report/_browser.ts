/** A real browser, in which pages are opened: Debian's Chromium, or the one that CKPT_CHROMIUM names. */

import { type Browser, type BrowserContextOptions, chromium, type Page } from "npm:playwright-core@1.64.1";
import { pathToFileURL } from "node:url";

export type { Page };

/** Where Chromium is; tests that need it are skipped where it isn't. */
export const CHROMIUM: string | undefined = [
  Deno.env.get("CKPT_CHROMIUM"),
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
].find((path) => {
  try {
    return path !== undefined && Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** Starts the browser. */
export async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM!,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** A test in a browser. */
export function browserTest(name: string, run: (browser: OpenBrowser) => Promise<void>): void {
  if (CHROMIUM === undefined) {
    console.log(`skipped: ${name}: there is no Chromium; CKPT_CHROMIUM says where it is`);
  }
  Deno.test({
    name,
    ignore: CHROMIUM === undefined,
    // What drives the browser keeps a process and pipes of its own.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const browser = await launch();
      try {
        await run(new OpenBrowser(browser));
      } finally {
        await browser.close();
      }
    },
  });
}

/** A browser that notes what pages do besides being looked at. */
export class OpenBrowser {
  readonly #browser: Browser;

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** Opens a page from disk. */
  async open(path: string, options: BrowserContextOptions = {}): Promise<OpenPage> {
    const context = await this.#browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    const page = await context.newPage();
    const trouble: string[] = [];
    const address = pathToFileURL(path).href;
    page.on("console", (message) => trouble.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => trouble.push(String(error)));
    page.on("dialog", (dialog) => {
      trouble.push(`dialog: ${dialog.message()}`);
      dialog.dismiss();
    });
    page.on("request", (request) => {
      if (request.url() !== address) trouble.push(`request: ${request.url()}`);
    });
    // What the page's policy forbids is asked for all the same, and goes nowhere.
    page.on("requestfailed", (request) => {
      const at = trouble.indexOf(`request: ${request.url()}`);
      if (at >= 0 && request.failure()?.errorText === "csp") trouble[at] = `refused: ${request.url()}`;
    });
    await page.goto(address);
    return { page, trouble };
  }
}

/** An open page. */
export interface OpenPage {
  readonly page: Page;
  /** What it asked for, said on the console, or failed in: nothing, if all is well. */
  readonly trouble: readonly string[];
}

/** The table of tensors as it is seen: the heads of its columns, and each row's texts and exact numbers. */
export async function readTable(page: Page): Promise<{ heads: string[]; rows: (string | number)[][] }> {
  return await page.evaluate(() => {
    const table = document.querySelector<HTMLTableElement>("#tensors")!;
    return {
      heads: [...table.tHead!.rows[0]!.cells].map((cell) => cell.innerText.trim()),
      rows: [...table.tBodies[0]!.rows].filter((row) => row.getClientRects().length > 0).map((row) =>
        [...row.cells].map((cell) => {
          const data = cell.querySelector("data");
          return data === null ? cell.textContent! : Number(data.value);
        })
      ),
    };
  });
}
