/** The page around what a report shows: one HTML file that needs nothing else, and forbids itself to load anything. */

import { VERSION } from "../version.ts";
import type { Fact } from "./facts.ts";
import { breakable, escaped } from "./html.ts";
import { pageScript } from "./page_script.ts";
import { PAGE_START } from "./page_start.ts";
import { PAGE_STYLE } from "./page_style.ts";

/** What goes into a page. */
export interface Page {
  readonly title: string;
  readonly facts: readonly Fact[];
  /** Its sections: headings, and HTML. Those without HTML are left out. */
  readonly sections: readonly (readonly [heading: string, html: string])[];
  /** The table of tensors. */
  readonly list: string;
  /** The histograms of all of them, where there are some. */
  readonly histograms?: string;
}

/** Makes a page. The same page comes of the same content. */
export async function renderPage({ title, facts, sections, list, histograms = "" }: Page): Promise<string> {
  const script = `(${pageScript})();`;
  const policy = [
    "default-src 'none'",
    `style-src ${await hashOf(PAGE_STYLE)}`,
    `script-src ${await hashOf(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `${PAGE_START}${VERSION}">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
<h1>${breakable(title)}</h1>
<dl class="facts">${
    facts.map(([label, text]) => `<dt>${label}</dt><dd>${escaped(text, MOST_FACT)}</dd>`).join("\n")
  }</dl>
${
    [...sections, ["Tensors", `${FILTER}\n${list}`] as const]
      .filter(([, html]) => html !== "")
      .map(([heading, html]) => `<section><h2>${heading}</h2>\n${html}\n</section>`).join("\n")
  }
</main>
<aside id="detail" aria-label="The tensor that is pointed at" aria-live="polite" hidden>
<div><h2></h2><dl></dl></div><figure>${histograms}</figure><button aria-label="Close">×</button>
</aside>
<footer>Made by ckpt ${VERSION}. Charts by Observable Plot and D3, drawn when the page was made: nothing of them is in it.</footer>
<script>${script}</script>
</body>
</html>
`;
}

/** The longest text of a fact, in UTF-16 units; a note names some tensors. */
const MOST_FACT = 2000;

const FILTER =
  '<div id="tools" hidden><label>Filter <input type="search" autocomplete="off" spellcheck="false"></label> <output></output></div>';

/** The hash of a script or a style, as a Content-Security-Policy names it. */
async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${new Uint8Array(digest).toBase64()}'`;
}
