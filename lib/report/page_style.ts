/** How the page looks: sober, in both themes, on a small screen, and on paper. */

/**
 * The stylesheet. Colours of charts are variables, since charts are drawn before it is known in which theme they are
 * seen: `k0` to `k6` and `other` are parts, told apart by those who see fewer colours, too (after Okabe and Ito), with
 * `on-tile` readable on each; `h0` to `h8` go from little to much, away from the background, and `zero` is none.
 */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --bg: #ffffff; --panel: #f6f7f8; --ink: #1c2024; --dim: #5a636d; --line: #dcdfe3; --link: #0b62a8;
  --bad: #c2185b; --line-ink: #19669f;
  --on-tile: #101418;
  --k0: #6db7e8; --k1: #efb04c; --k2: #4dbb95; --k3: #d999bd; --k4: #e8825a; --k5: #e6dc5c; --k6: #9fa8e6;
  --other: #c3c8cd;
  --zero: #f4f4f4; --h0: #dfeaf5; --h1: #cde0f1; --h2: #b3d3ea; --h3: #85bbdc; --h4: #579fcc; --h5: #3383b9; --h6: #19669f;
  --h7: #0c4a7f; --h8: #08305c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --bg: #14171a; --panel: #1c2024; --ink: #e7e9eb; --dim: #9ba5af; --line: #343a40; --link: #7dbdf0;
    --bad: #ff6f9c; --line-ink: #85b9de;
    --k0: #5aa5d8; --k1: #d99c3c; --k2: #3fa681; --k3: #c686aa; --k4: #d9734b; --k5: #cbc24e; --k6: #8d97d8;
    --other: #848b92;
    --zero: #212529; --h0: #1b3145; --h1: #1f3d55; --h2: #235275; --h3: #2b6a97; --h4: #3d84b4; --h5: #5d9ecb; --h6: #85b9de;
    --h7: #b2d5ee; --h8: #e2f1fc;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  max-width: 1080px; margin: 0 auto; padding: 2rem 1.25rem 4rem;
  background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, sans-serif;
}
h1 { margin: 0 0 1rem; font-size: 1.6rem; line-height: 1.25; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 2.75rem 0 .5rem; font-size: 1.15rem; font-weight: 650; }
p { margin: .25rem 0 .75rem; max-width: 75ch; }
a { color: var(--link); }
.lead, figcaption, footer, caption { color: var(--dim); }
.wide { overflow-x: auto; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: 0; }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1rem 0; }
figure[hidden] { display: none; }
figcaption { margin-bottom: .5rem; max-width: 75ch; }
figcaption b { color: var(--ink); font-weight: 600; }
svg { display: block; max-width: 100%; height: auto; color: var(--ink); font-family: inherit; font-size: 11px; }
svg text { white-space: pre; }
svg:focus-visible { outline: 2px solid var(--link); outline-offset: 3px; }
[data-row] { cursor: pointer; }
[data-of] { display: none; }
[data-of].on { display: inline; }
[data-row].on { stroke: var(--ink); stroke-width: 2px; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: .75rem 0; padding: 0; list-style: none; font-size: .87rem; }
i { display: inline-block; width: .8em; height: .8em; margin-right: .5em; border-radius: 2px; background: var(--other); }
i.k0 { background: var(--k0); } i.k1 { background: var(--k1); } i.k2 { background: var(--k2); }
i.k3 { background: var(--k3); } i.k4 { background: var(--k4); } i.k5 { background: var(--k5); }
i.k6 { background: var(--k6); } i.bad { background: var(--bad); }
i.zero { background: var(--zero); } i.h0 { background: var(--h0); } i.h1 { background: var(--h1); } i.h2 { background: var(--h2); }
i.h3 { background: var(--h3); } i.h4 { background: var(--h4); } i.h5 { background: var(--h5); }
i.h6 { background: var(--h6); } i.h7 { background: var(--h7); } i.h8 { background: var(--h8); }
.steps { display: flex; flex-wrap: wrap; margin: .25rem 0 0; padding: 0; list-style: none; font-size: .8rem; color: var(--dim); }
.steps li { flex: 0 1 4.8rem; white-space: nowrap; font-variant-numeric: tabular-nums; }
.steps i { display: block; width: auto; height: .7rem; margin: 0 0 .15rem; border-radius: 0; }
.steps .unknown { margin-left: 1rem; }
#maps { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; margin: .75rem 0; padding: 0; border: 0; }
#maps[hidden] { display: none; }
#maps legend { float: left; margin-right: 1.25rem; padding: 0; color: var(--dim); }
#maps label { display: flex; align-items: center; gap: .35rem; cursor: pointer; }
input[type=radio] { accent-color: var(--link); margin: 0; }
.depth { display: grid; grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)); gap: .5rem 1.25rem; }
.depth figure { margin: 0; }
.depth figcaption { margin: 0; font-size: .87rem; color: var(--ink); overflow-wrap: anywhere; }
.out { margin: .5rem 0; padding-left: 1.1rem; }
.out li { overflow-wrap: anywhere; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: 400; }
thead th { color: var(--dim); white-space: nowrap; }
tbody th { min-width: 16rem; overflow-wrap: anywhere; }
td { white-space: nowrap; }
data { display: block; }
data, th.number { text-align: right; }
td.text { white-space: normal; overflow-wrap: anywhere; min-width: 14rem; }
#detail:not([hidden]) ~ footer { margin-bottom: 50vh; }
tbody tr { scroll-margin: 3rem 0 45vh; }
.list { max-height: 85vh; overflow: auto; content-visibility: auto; contain-intrinsic-height: 85vh; border-top: 1px solid var(--line); border-bottom: 1px solid var(--line); }
.list table { width: 100%; }
.list thead th { position: sticky; top: 0; background: var(--bg); z-index: 1; }
.list tr:focus-visible, .list tr.on { background: var(--panel); outline: none; }
.list tr:focus-visible th { box-shadow: inset 3px 0 var(--link); }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; cursor: pointer; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; border-radius: 2px; }
th[aria-sort] { color: var(--ink); }
th[aria-sort=ascending] button::after { content: " ↑"; }
th[aria-sort=descending] button::after { content: " ↓"; }
#tools { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin: .75rem 0; }
#tools[hidden] { display: none; }
input[type=search] {
  font: inherit; color: inherit; background: var(--bg); width: 20rem; max-width: 100%;
  padding: .35rem .6rem; border: 1px solid var(--dim); border-radius: 5px;
}
details { margin: .75rem 0; }
summary { cursor: pointer; width: max-content; max-width: 100%; color: var(--link); }
#detail {
  position: fixed; z-index: 2; left: 0; right: 0; bottom: 0; max-height: 45vh; overflow: auto;
  padding: .75rem max(1.25rem, calc(50vw - 520px)); background: var(--panel); border-top: 1px solid var(--line);
  box-shadow: 0 -4px 16px rgb(0 0 0 / .12);
}
#detail { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
#detail[hidden], #detail figure[hidden] { display: none; }
#detail > div { flex: 1 1 20rem; }
#detail figure { margin: 0 2.5rem 0 0; flex: 0 1 440px; }
#detail h2 { margin: 0 2rem .35rem 0; font-size: 1rem; overflow-wrap: anywhere; }
#detail dl { display: flex; flex-wrap: wrap; gap: .15rem 1.5rem; margin: 0; font-size: .87rem; font-variant-numeric: tabular-nums; }
#detail dl div { display: flex; gap: .5rem; }
#detail button { position: absolute; top: .6rem; right: max(1.25rem, calc(50vw - 520px)); font-size: 1.2rem; line-height: 1; padding: .2rem .4rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .82rem; }
@media (min-width: 641px) {
  .list tbody th { position: sticky; left: 0; background: var(--bg); }
  .list tr:focus-visible th, .list tr.on th { background: var(--panel); }
}
@media (max-width: 640px) {
  body { padding: 1.25rem 1rem 3rem; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .45rem; }
  input[type=search] { width: 100%; }
  tbody th { min-width: 11rem; }
  .wide svg { max-width: none; }
  #detail { max-height: 55vh; }
  #detail figure { margin: 0; }
}
@page list { size: landscape; }
@media print {
  :root { color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 10pt; background: none; }
  #tools, #detail { display: none; }
  .wide svg { max-width: 100%; }
  figure.map[hidden] { display: block; }
  #maps { display: none; }
  .wide, .list { overflow: visible; max-height: none; border: 0; }
  .list thead th { position: static; }
  figure, tr, thead { break-inside: avoid; }
  h2 { break-after: avoid; }
  .list { page: list; content-visibility: visible; }
  .list table { font-size: 6.5pt; }
  .list th, .list td { padding: .1rem .5rem .1rem 0; }
  .list tbody th { min-width: 9rem; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
`;
